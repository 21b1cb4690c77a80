"""What spans are compared by: every attribute and intrinsic that Tempo's compare() counts the values of.

Those are the attributes of span, resource and instrumentation scope and the intrinsics below, besides some that take
the trace's other spans to know (``query.kin``). Ids, times and durations are left out because hardly two spans share
them, events and links because Tempo does not read them here. Lists of one item count as the item. Other lists, and
values of no TraceQL type, are counted without being told apart in the answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from sqlglot import exp

from spanlake.spans.columns import Scope
from spanlake.traceql import values
from spanlake.traceql.fields import Fields
from spanlake.traceql.known import Known
from spanlake.traceql.printer import print_field
from spanlake.traceql.tempo import DEDICATED
from spanlake.traceql.tree import Attribute, AttributeScope, Intrinsic, IntrinsicField, Type
from spanlake.traceql.values import Sql, Value

_SCOPES = {
    Scope.RESOURCE: AttributeScope.RESOURCE,
    Scope.SPAN: AttributeScope.SPAN,
    Scope.SCOPE: AttributeScope.INSTRUMENTATION,
}
_SERVICE = (Scope.RESOURCE, "service.name")


class Level(Enum):
    """What a facet belongs to. Facets of one level tend to go together."""

    RESOURCE = auto()
    SPAN = auto()


INTRINSICS = {
    Intrinsic.NAME: Level.SPAN,
    Intrinsic.KIND: Level.SPAN,
    Intrinsic.STATUS: Level.SPAN,
    Intrinsic.STATUS_MESSAGE: Level.SPAN,
    Intrinsic.INSTRUMENTATION_NAME: Level.RESOURCE,
    Intrinsic.INSTRUMENTATION_VERSION: Level.RESOURCE,
}
EVERYWHERE = print_field(IntrinsicField(Intrinsic.NAME))  # a facet that no span lacks


@dataclass(frozen=True)
class Facet:
    """An attribute as far as its values are of one type; ``read`` gives them, NULL where there is none.

    ``shown`` says that values are told apart in the answer, ``dedicated`` that it is read from a dedicated column of
    Tempo's, where what has no value counts as nil, ``is_of_list`` that lists are looked into for it.
    """

    name: str
    type: Type
    level: Level
    read: Callable[[Fields], Sql]
    shown: bool = True
    dedicated: bool = False
    is_of_list: bool = False


@cache
def dedicated_names() -> list[str]:
    """The attributes in Tempo's dedicated columns: it counts them for every span."""
    return [print_field(Attribute(_SCOPES[scope], key)) for scope, key in DEDICATED]


def facets(known: Known) -> list[Facet]:
    """All facets of spans of which this is known."""
    keys = sorted({*known.columns, *known.rest, _SERVICE})
    found = [_of_intrinsic(intrinsic, level) for intrinsic, level in INTRINSICS.items()]
    for scope, key in keys:
        found += _of_attribute(known, scope, key)
    return found


def _of_intrinsic(intrinsic: Intrinsic, level: Level) -> Facet:
    field = IntrinsicField(intrinsic)
    (value,) = Fields(Known()).value(field)
    return Facet(print_field(field), value.type, level, lambda fields: fields.value(field)[0].sql)


def _of_attribute(known: Known, scope: Scope, key: str) -> Iterator[Facet]:
    attribute = Attribute(_SCOPES[scope], key)
    name, level = print_field(attribute), Level.SPAN if scope is Scope.SPAN else Level.RESOURCE
    dedicated = DEDICATED.get((scope, key))
    kinds: dict[Type, set[bool]] = {}
    for part in _value(Fields(known), scope, attribute):
        kinds.setdefault(part.type, set()).add(part.is_list)
    for type_, forms in kinds.items():
        is_dedicated = dedicated is not None and values.OF_COLUMN[dedicated] == (type_, False)
        for read in _readings(forms, is_dedicated):
            reader = _reader(read, scope, attribute, type_)
            of_list = read is not _scalar
            yield Facet(name, type_, level, reader, read is not _several_items, is_dedicated and not of_list, of_list)
    if (scope, key) in known.rest:
        yield Facet(name, Type.STRING, level, lambda fields: _untyped(fields, scope, attribute), shown=False)


def _value(fields: Fields, scope: Scope, attribute: Attribute) -> Value:
    found = _typed(fields, scope, attribute)
    if (scope, attribute.key) != _SERVICE:
        return found
    name = exp.func("coalesce", fields.column("service_name"), exp.Literal.string(""))
    others = [part for part in found if part.type is not Type.STRING or part.is_list]
    return (values.Alternative(Type.STRING, name), *others)


def _typed(fields: Fields, scope: Scope, attribute: Attribute) -> Value:
    """The value, but no lists without a column: their items may be of several types."""
    in_columns = Fields(Known(fields.known.columns), fields.needs)
    scalars = [part for part in fields.scoped(scope, attribute) if not part.is_list]
    return (*scalars, *(part for part in in_columns.scoped(scope, attribute) if part.is_list))


def _reader(read: Callable[[Value], Sql], scope: Scope, attribute: Attribute, type_: Type) -> Callable[[Fields], Sql]:
    return lambda fields: read(tuple(p for p in _value(fields, scope, attribute) if p.type is type_))


def _readings(forms: set[bool], is_dedicated: bool) -> list[Callable[[Value], Sql]]:
    """The facets that values of one type make; ``forms`` says whether there are single values, lists, or both."""
    if True not in forms:
        return [_scalar]
    single = [_scalar, _only_item] if is_dedicated else [_scalar_or_only_item]
    return [*(single if False in forms else [_only_item]), _several_items]


def _scalar(parts: Value) -> Sql:
    return next(part.sql for part in parts if not part.is_list)


def _only_item(parts: Value) -> Sql:
    items = next(part.sql for part in parts if part.is_list)
    return values.case(_has_one_item(items), values.first(items))


def _scalar_or_only_item(parts: Value) -> Sql:
    return exp.func("coalesce", _scalar(parts), _only_item(parts))


def _several_items(parts: Value) -> Sql:
    items = next(part.sql for part in parts if part.is_list)
    return values.case(exp.not_(_has_one_item(items)), exp.cast(items, "VARCHAR"))


def _has_one_item(items: Sql) -> Sql:
    return exp.EQ(this=exp.func("len", items.copy()), expression=exp.Literal.number(1))


def _untyped(fields: Fields, scope: Scope, attribute: Attribute) -> Sql:
    typed = values.present(_typed(fields, scope, attribute))
    has_other = exp.and_(fields.scope_has(scope, attribute), exp.not_(exp.paren(typed)))
    return values.case(has_other, exp.Literal.string(""))
