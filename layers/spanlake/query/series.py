"""Time series, and what the later stages of a metrics query do with them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest, nsmallest
from typing import Any

from spanlake.traceql import ast

LabelValue = str | int | float | bool | tuple[Any, ...] | None
"""The value of a label: a list is a tuple, None is nil."""
Labels = tuple[tuple[str, LabelValue], ...]
NAME = "__name__"


@dataclass(frozen=True)
class Exemplar:
    """A span that a series was computed from: labels that name it, and what it measured.

    Of a count, where a span measures nothing, the value is None until that of the series stands in.
    """

    labels: Labels
    time_ns: int
    value: float | None


@dataclass(frozen=True)
class Series:
    """A time series: its labels, a value for each point or None, and exemplars."""

    labels: Labels
    values: tuple[float | None, ...]
    exemplars: tuple[Exemplar, ...] = ()


def operate(
    operator: ast.Rank | ast.SeriesFilter | ast.MetricsOperation, operands: Sequence[list[Series] | float]
) -> list[Series]:
    """Apply an operator to its operands, of which two are not both numbers."""
    match operator, operands:
        case ast.Rank(), [list() as found]:
            return topk_bottomk(found, operator.function, operator.limit)
        case ast.SeriesFilter(), [list() as found]:
            return filter_series(found, operator.op, operator.value)
        case ast.MetricsOperation(), [float() as number, list() as found]:
            return scalar_arithmetic(found, operator.op, number, scalar_first=True)
        case ast.MetricsOperation(), [list() as found, float() as number]:
            return scalar_arithmetic(found, operator.op, number, scalar_first=False)
        case ast.MetricsOperation(), [list() as found, list() as other]:
            return series_arithmetic(found, operator.op, other)
        case _:
            raise TypeError(f"{operator} is not for such operands")


def topk_bottomk(found: Iterable[Series], function: ast.RankFunction, limit: int) -> list[Series]:
    """Keep, at each point, the values of the ``limit`` largest or smallest series; of equal ones those named first."""
    series = sorted(found, key=lambda one: str(one.labels))
    choose = nlargest if function is ast.RankFunction.TOPK else nsmallest
    kept: list[list[float | None]] = [[None] * len(one.values) for one in series]
    for at in range(len(series[0].values) if series else 0):
        present = [(one.values[at], n) for n, one in enumerate(series) if one.values[at] is not None]
        for value, n in choose(limit, present, key=lambda pair: pair[0]):  # type: ignore[arg-type, return-value]
            kept[n][at] = value
    return _present(replace(one, values=tuple(values)) for one, values in zip(series, kept, strict=True))


def filter_series(found: Iterable[Series], op: ast.BinaryOperator, limit: float) -> list[Series]:
    """Keep the values that compare so with a number."""
    holds = _COMPARE[op]

    def keep(value: float | None) -> float | None:
        return value if value is not None and holds(value, limit) else None

    return _present(replace(one, values=tuple(map(keep, one.values))) for one in found)


def series_arithmetic(left: Iterable[Series], op: ast.BinaryOperator, right: Iterable[Series]) -> list[Series]:
    """Arithmetic between series of equal labels, point by point; what has no partner, or no result, goes.

    A series without labels goes with each series of the other side.
    """
    ours, theirs = ({_identity(one.labels): one for one in side} for side in (left, right))
    names = ours if _NO_LABELS in theirs else theirs
    pairs = ((ours.get(name, ours.get(_NO_LABELS)), theirs.get(name, theirs.get(_NO_LABELS))) for name in names)
    return _present(_combined(one, op, other) for one, other in pairs if one and other)


def _combined(one: Series, op: ast.BinaryOperator, other: Series) -> Series:
    labels = _joined_labels(one.labels, op, other.labels)
    return Series(labels, _map2(op, one.values, other.values), one.exemplars + other.exemplars)


def scalar_arithmetic(
    found: Iterable[Series], op: ast.BinaryOperator, scalar: float, *, scalar_first: bool
) -> list[Series]:
    """Arithmetic between every series and a number."""

    def values(one: Series) -> tuple[float | None, ...]:
        constant = (scalar,) * len(one.values)
        return _map2(op, constant, one.values) if scalar_first else _map2(op, one.values, constant)

    return _present(replace(one, values=values(one)) for one in found)


def _present(found: Iterable[Series]) -> list[Series]:
    return [one for one in found if any(value is not None for value in one.values)]


def _identity(labels: Labels) -> str:
    """Return the key by which series are matched: their labels, with the types of values."""
    return repr(sorted((label for label in labels if label[0] != NAME), key=repr))


_NO_LABELS = _identity(())


def _joined_labels(left: Labels, op: ast.BinaryOperator, right: Labels) -> Labels:
    names = [dict(labels).get(NAME) for labels in (left, right)]
    plain = tuple(label for label in left if label[0] != NAME)
    ours = {name for name, _ in plain}
    plain += tuple(label for label in right if label[0] != NAME and label[0] not in ours)
    if None in names:
        return plain
    return ((NAME, f"({names[0]} {op.value} {names[1]})"), *plain)


def _map2(
    op: ast.BinaryOperator, left: tuple[float | None, ...], right: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    return tuple(_apply(op, a, b) for a, b in zip(left, right, strict=True))


def _apply(op: ast.BinaryOperator, a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    try:
        value = _ARITHMETIC[op](a, b)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return None if math.isnan(value) else value


_COMPARE: dict[ast.BinaryOperator, Callable[[float, float], bool]] = {
    ast.BinaryOperator.EQUAL: lambda a, b: a == b,
    ast.BinaryOperator.NOT_EQUAL: lambda a, b: a != b,
    ast.BinaryOperator.LESS: lambda a, b: a < b,
    ast.BinaryOperator.LESS_EQUAL: lambda a, b: a <= b,
    ast.BinaryOperator.GREATER: lambda a, b: a > b,
    ast.BinaryOperator.GREATER_EQUAL: lambda a, b: a >= b,
}
_ARITHMETIC: dict[ast.BinaryOperator, Callable[[float, float], float]] = {
    ast.BinaryOperator.ADD: lambda a, b: a + b,
    ast.BinaryOperator.SUBTRACT: lambda a, b: a - b,
    ast.BinaryOperator.MULTIPLY: lambda a, b: a * b,
    ast.BinaryOperator.DIVIDE: lambda a, b: a / b,
    ast.BinaryOperator.MODULO: math.fmod,
    ast.BinaryOperator.POWER: math.pow,
}


class _Map(tuple[Any, ...]):
    """The keys and values of a map."""

    __slots__ = ()


def hashable(value: Any) -> LabelValue:
    """Return a value as that of a label."""
    if isinstance(value, list):
        return tuple(hashable(item) for item in value)
    return _Map((key, hashable(item)) for key, item in value.items()) if isinstance(value, dict) else value


def render_labels(one: Series) -> Series:
    """Return a series with the values of its labels as answers hold them."""
    exemplars = (replace(exemplar, labels=_labels_shown(exemplar.labels)) for exemplar in one.exemplars)
    return replace(one, labels=_labels_shown(one.labels), exemplars=tuple(exemplars))


def _labels_shown(labels: Labels) -> Labels:
    return tuple((name, _shown(value)) for name, value in labels)


def _shown(value: LabelValue) -> Any:
    if value is None:
        return "nil"
    if isinstance(value, _Map):
        return {key: _shown(item) for key, item in value}
    return [_shown(item) for item in value] if isinstance(value, tuple) else value
