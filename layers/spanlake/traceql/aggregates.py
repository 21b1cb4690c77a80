"""Aggregates over the spans of a set, as SQL."""

from collections.abc import Callable

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.fields import Fields
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.tree import Aggregate, AggregateFunction, Binary, Type
from spanlake.traceql.values import Sql


def operand_of(node: Aggregate, fields: Fields) -> tuple[Type, Sql | None]:
    """The type of an aggregate, and the number of each span that it is taken over; None where spans are counted."""
    if node.function is AggregateFunction.COUNT or node.operand is None:
        return Type.INT, None
    parts = [
        part for part in Predicates(fields).value(node.operand) if part.type in values.NUMERIC and not part.is_list
    ]
    if len(parts) == 1:
        type_ = parts[0].type
        is_mean = node.function is AggregateFunction.AVG and type_ is Type.INT
        return (Type.FLOAT if is_mean else type_), parts[0].sql
    numbers = [exp.cast(part.sql, "DOUBLE") for part in parts] or [exp.cast(exp.Null(), "DOUBLE")]
    return Type.FLOAT, exp.func("coalesce", *numbers)


def aggregate(node: Aggregate, type_: Type, operand: Sql | None, over: Callable[[exp.Expr], Sql]) -> Sql:
    """The aggregate of an operand; ``over`` makes of SQL's own function what reads the spans of the set.

    Arithmetic on a field that a span does not have is false in Tempo's engine, and false is above every number: there
    is no maximum then. Whole numbers and durations are cut off, not rounded.
    """
    if operand is None:
        return over(exp.Count(this=exp.Star()))
    found = over(exp.func(node.function.value, operand))
    if node.function is AggregateFunction.MAX and isinstance(node.operand, Binary):
        everywhere = exp.EQ(this=over(exp.Count(this=exp.Star())), expression=over(exp.Count(this=operand.copy())))
        found = values.case(everywhere, found)
    if type_ in (Type.DURATION, Type.INT):
        found = exp.TryCast(this=exp.func("trunc", found), to=exp.DataType.build("BIGINT"))
    return found
