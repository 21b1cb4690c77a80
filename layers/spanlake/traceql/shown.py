"""What a search result shows of a span: the fields that conditions name, with the values that conditions let through.

Tempo shows what storage handed over, so these rules follow its storage (see ``conditions``). An attribute in a column
of its own is judged by its own conditions. The others of one scope share columns, one a type, and so their conditions:
each shows a value that any of them lets through.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.conditions import Comparison, Condition, Presence
from spanlake.traceql.fields import ELEMENTS, SCOPES, Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.tempo import DEDICATED, is_dedicated
from spanlake.traceql.tree import Attribute, AttributeScope, Field, Intrinsic, IntrinsicField, Type
from spanlake.traceql.values import Alternative, Sql

_NOT_SHOWN = frozenset(
    (
        Intrinsic.NAME,
        Intrinsic.DURATION,
        Intrinsic.TRACE_DURATION,
        Intrinsic.TRACE_ROOT_NAME,
        Intrinsic.TRACE_ROOT_SERVICE,
        Intrinsic.TRACE_ID,
        Intrinsic.SPAN_ID,
    )
)


@dataclass(frozen=True)
class Shown:
    """A key of a result's attributes; where ``nil`` holds, the text ``nil`` stands for its value."""

    key: str
    parts: tuple[Alternative, ...]
    nil: Sql | None = None


@dataclass(frozen=True)
class Display:
    """Chooses what to show, given the conditions of all filters of a query."""

    fields: Fields
    conditions: tuple[Condition, ...]

    def shown(self) -> list[Shown]:
        """One entry a field, in the order of first mention."""
        fields = dict.fromkeys(item.field for item in self.conditions)
        return [self._show(field) for field in fields if not self._is_hidden(field)]

    @staticmethod
    def _is_hidden(field: Field) -> bool:
        return field.parent or (isinstance(field, IntrinsicField) and field.intrinsic in _NOT_SHOWN)

    def _show(self, field: Field) -> Shown:
        own = [item for item in self.conditions if item.field == field]
        read = any(isinstance(item, Presence) and not item.absent for item in own)
        value = self.fields.fetched(field) if read else self.fields.value(field)
        parts = [self._visible(field, a) for a in value]
        return Shown(_key(field), tuple(part for part in parts if part), self._nil(field, own))

    def _nil(self, field: Field, own: list[Condition]) -> Sql | None:
        """Where ``nil`` is shown: where it was asked for, and where a dedicated column that was read holds nothing."""
        for item in own:
            if isinstance(item, Presence) and item.absent:
                return self.fields.lacks(field)
            if isinstance(item, Presence) and isinstance(field, Attribute) and _has_dedicated_column(field):
                return exp.true()
        return None

    def _visible(self, field: Field, alternative: Alternative) -> Alternative | None:
        """The part of a value that conditions let through; None when they never let through this type."""
        tests = self._tests(field, alternative.type)
        sql = alternative.sql
        if not tests:
            return None
        if not any(isinstance(test, Presence) for test in tests):
            holds = self._holds_any([test for test in tests if isinstance(test, Comparison)])
            sql = values.keep(sql, holds, "v") if alternative.is_list else values.case(holds(sql), sql)
        if alternative.is_list and _is_element(field):
            return Alternative(alternative.type, values.last(sql))
        return Alternative(alternative.type, sql, alternative.is_list)

    def _holds_any(self, tests: Iterable[Comparison]) -> Callable[[Sql], Sql]:
        predicates = Predicates(self.fields)
        return lambda sql: values.any_of(predicates.holds(test, sql) for test in tests)

    def _tests(self, field: Field, stored: Type) -> list[Condition]:
        sharing = [item for item in self.conditions if item.field == field or _share_columns(item.field, field)]
        return [item for item in sharing if _lets_through(item, stored, field)]


def _lets_through(item: Condition, stored: Type, field: Field) -> bool:
    if isinstance(item, Presence):
        return not item.absent
    wanted = item.statics[0].type
    numbers = isinstance(field, IntrinsicField) and stored in values.NUMERIC and wanted in values.NUMERIC
    return stored is wanted or numbers


def _share_columns(one: Field, other: Field) -> bool:
    if not (isinstance(one, Attribute) and isinstance(other, Attribute)):
        return False
    if one.scope in ELEMENTS or other.scope in ELEMENTS:
        return one.scope is other.scope
    shared = set(SCOPES[one.scope]) & set(SCOPES[other.scope])
    return any(not is_dedicated(scope, one.key) and not is_dedicated(scope, other.key) for scope in shared)


def _has_dedicated_column(field: Attribute) -> bool:
    return any((scope, field.key) in DEDICATED for scope in SCOPES.get(field.scope, ()))


def _is_element(field: Field) -> bool:
    if isinstance(field, Attribute):
        return field.scope in (AttributeScope.EVENT, AttributeScope.LINK)
    return field.intrinsic.value.startswith(("event:", "link:"))


def _key(field: Field) -> str:
    return field.key if isinstance(field, Attribute) else field.intrinsic.value


def columns_of(shown: Iterable[Shown], prefix: str) -> list[exp.Expr]:
    """The SQL columns that carry what is shown, named by position: ``{prefix}{n}_{part}`` and ``{prefix}{n}_nil``."""
    columns: list[exp.Expr] = []
    for n, item in enumerate(shown):
        columns += [exp.alias_(part.sql, f"{prefix}{n}_{k}") for k, part in enumerate(item.parts)]
        if item.nil is not None:
            columns.append(exp.alias_(item.nil, f"{prefix}{n}_nil"))
    return columns
