"""Structural operators: which spans of a trace stand in a relation to others, over a table with the tree's numbers.

Nested sets make every question one about numbers. A span lies below another when its interval lies inside the other's;
intervals never cross, so a running maximum (or minimum) over a trace in the order of the tree finds any such other.
Spans without a place in the tree (number 0) stand in no relation. The rules are those of Tempo's ``block_traceql.go``.
"""

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.tree import Relation
from spanlake.traceql.values import Sql

LEFT, RIGHT, UP = "nested_left", "nested_right", "nested_parent"
TRACE = "trace_id"

_INVERSE = {
    Relation.CHILD: Relation.PARENT,
    Relation.PARENT: Relation.CHILD,
    Relation.DESCENDANT: Relation.ANCESTOR,
    Relation.ANCESTOR: Relation.DESCENDANT,
    Relation.SIBLING: Relation.SIBLING,
}


def inverse(relation: Relation) -> Relation:
    """The relation as seen from the other side."""
    return _INVERSE[relation]


def related(relation: Relation, others: str, table: str) -> Sql:
    """Whether a row's span is a child (parent, …) of a span of ``table`` for which its boolean column ``others`` holds.

    The row is one of the same table.
    """
    if relation is Relation.CHILD:
        return _linked(UP, LEFT, others, table)
    if relation is Relation.PARENT:
        return _linked(LEFT, UP, others, table)
    return exp.paren(exp.and_(_is_placed(), _RELATED[relation](exp.column(others))))


def _is_placed() -> Sql:
    return exp.NEQ(this=exp.column(LEFT), expression=exp.Literal.number(0))


def _linked(own: str, theirs: str, others: str, table: str) -> Sql:
    """Whether the row's number ``own`` is the number ``theirs`` of one of the others of its trace."""
    chosen = exp.select(TRACE, theirs).from_(table).where(exp.column(others), _is_placed())
    mine = exp.Tuple(expressions=[exp.column(TRACE), exp.column(own)])
    return exp.paren(exp.and_(_is_placed(), exp.In(this=mine, query=chosen.subquery())))


def _descendant(others: Sql) -> Sql:
    reach = exp.Max(this=values.case(others, exp.column(RIGHT)))
    return _compared(reach, exp.GT, RIGHT, ("UNBOUNDED", "PRECEDING"), (exp.Literal.number(1), "PRECEDING"))


def _ancestor(others: Sql) -> Sql:
    nearest = exp.Min(this=values.case(exp.and_(others, _is_placed()), exp.column(LEFT)))
    return _compared(nearest, exp.LT, RIGHT, (exp.Literal.number(1), "FOLLOWING"), ("UNBOUNDED", "FOLLOWING"))


def _compared(
    aggregate: Sql,
    compare: type[exp.Expr],
    bound: str,
    start: tuple[object, str],
    end: tuple[object, str],
) -> Sql:
    frame = exp.WindowSpec(kind="ROWS", start=start[0], start_side=start[1], end=end[0], end_side=end[1])
    order = exp.Order(expressions=[exp.Ordered(this=exp.column(LEFT))])
    found = exp.Window(this=aggregate, partition_by=[exp.column(TRACE)], order=order, spec=frame)
    return exp.func("coalesce", compare(this=found, expression=exp.column(bound)), exp.false())


def _sibling(others: Sql) -> Sql:
    mine = exp.cast(others, "INTEGER")
    beside = exp.Window(this=exp.Sum(this=mine), partition_by=[exp.column(TRACE), exp.column(UP)])
    orphan = exp.EQ(this=exp.column(UP), expression=exp.Literal.number(0))
    return exp.and_(exp.not_(orphan), exp.GT(this=exp.paren(beside - mine.copy()), expression=exp.Literal.number(0)))


_RELATED = {
    Relation.DESCENDANT: _descendant,
    Relation.ANCESTOR: _ancestor,
    Relation.SIBLING: _sibling,
}
