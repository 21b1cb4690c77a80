"""The unit of a metrics query's values, and values written with it."""

import math
from collections.abc import Callable

from spanlake.cli.render.numbers import duration, number, size
from spanlake.traceql import TraceQLError, ast, parse

Write = Callable[[float], str]
"""Writes a value for people."""

_NS = 10**9
_LARGEST = 2**63  # of durations in nanoseconds, and of sizes
_DURATIONS = {ast.Intrinsic.DURATION, ast.Intrinsic.TRACE_DURATION, ast.Intrinsic.EVENT_TIME_SINCE_START}
_OF_OPERAND = {
    ast.MetricsFunction.MIN_OVER_TIME,
    ast.MetricsFunction.MAX_OVER_TIME,
    ast.MetricsFunction.AVG_OVER_TIME,
    ast.MetricsFunction.SUM_OVER_TIME,
    ast.MetricsFunction.QUANTILE_OVER_TIME,
}
_BYTES = (".body.size", ".envelope.size", "bytes", "content_length", "content.length")  # ends of OpenTelemetry's names


def unit_of(traceql: str) -> Write:
    """Return the function that writes values of a metrics query: with a unit where the query tells it."""
    try:
        return _of(parse(traceql).body)
    except TraceQLError:
        return number


def _of(body: object) -> Write:
    if isinstance(body, ast.Rank | ast.SeriesFilter):
        return _of(body.series)
    if not isinstance(body, ast.MetricsPipeline) or not isinstance(body.aggregate, ast.MetricsAggregate):
        return number
    aggregate = body.aggregate
    if aggregate.function is ast.MetricsFunction.RATE:
        return _per_second
    return _of_field(aggregate.operand) if aggregate.function in _OF_OPERAND else number


def _of_field(field: ast.Field | None) -> Write:
    if isinstance(field, ast.IntrinsicField) and field.intrinsic in _DURATIONS:
        return _seconds
    if isinstance(field, ast.Attribute) and field.key.endswith(_BYTES):
        return _bytes
    return number


def _per_second(value: float) -> str:
    return f"{number(value)}/s"


def _seconds(value: float) -> str:
    return duration(round(value * _NS)) if _is_within(value * _NS) else number(value)


def _bytes(value: float) -> str:
    return size(round(value)) if value >= 0 and _is_within(value) else number(value)


def _is_within(value: float) -> bool:
    return math.isfinite(value) and abs(value) < _LARGEST
