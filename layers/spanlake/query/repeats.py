"""How often Tempo's compare() counts the attributes that the query's filter names.

Tempo reads matching spans twice: first what the filter names, then everything. Values of the first reading are counted
beside those of the second, so that a span's attribute counts twice. What a resource has is kept while the spans of one
batch are read, and added to for each of them: for the n-th matching span of its resource in a trace it counts n times
more. Source: ``spanCollector2`` in Tempo's ``vparquet5``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.conditions import Condition, Presence, conditions
from spanlake.traceql.facets import INTRINSICS
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.printer import print_field
from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.tree import Attribute, AttributeScope, FieldExpression
from spanlake.traceql.values import Sql

Weight = Callable[[Fields], Sql]
"""How often a value counts for a span, of the table of all matching spans whenever they start."""

_SERVICE = Attribute(AttributeScope.RESOURCE, "service.name")
_BATCH = ("trace_id", "resource_id")


def repeats(condition: FieldExpression) -> Mapping[str, Weight]:
    """The attributes that count more than once, by their names."""
    named: dict[str, _Named] = {}
    for item in conditions(condition).items:
        for part in _of_facets(item):
            name = print_field(part.field)
            named[name] = _Named((*named[name].items, part) if name in named else (part,))
    return {name: one.weight for name, one in named.items()}


def _of_facets(item: Condition) -> list[Condition]:
    """A condition on an attribute that is counted; without a scope it is one of the span and one of the resource."""
    field = item.field
    if field.parent or (isinstance(item, Presence) and item.absent):
        return []
    if not isinstance(field, Attribute):
        return [item] if field.intrinsic in INTRINSICS else []
    scopes = (AttributeScope.SPAN, AttributeScope.RESOURCE)
    if field.scope is AttributeScope.NONE:
        return [replace(item, field=replace(field, scope=scope)) for scope in scopes]
    return [item] if field.scope in scopes else []


@dataclass(frozen=True)
class _Named:
    """The conditions on one attribute."""

    items: tuple[Condition, ...]

    def weight(self, fields: Fields) -> Sql:
        """How often the attribute counts for a span."""
        one = exp.Literal.number(1)
        field = self.items[0].field
        if not isinstance(field, Attribute) or field.scope is AttributeScope.SPAN:
            return one + self._met(fields)
        fields.needs.arrival = True
        batch = [fields.column(name) for name in _BATCH]
        order = exp.Order(expressions=[exp.Ordered(this=exp.column(ARRIVAL, table=SPAN))])
        return one + exp.Window(this=exp.Sum(this=self._met(fields)), partition_by=batch, order=order)

    def _met(self, fields: Fields) -> Sql:
        """How often the first reading finds the attribute. It asks for services one by one, else for any at once."""
        tests = [Predicates(fields).condition(item) for item in self.items]
        if replace(self.items[0].field, at=0) != replace(_SERVICE, at=0):
            tests = [values.any_of(tests)]
        met = [values.case(test, exp.Literal.number(1), exp.Literal.number(0)) for test in tests]
        return exp.paren(met[0] if len(met) == 1 else sum(met[1:], met[0]))
