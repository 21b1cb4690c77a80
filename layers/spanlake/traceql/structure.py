"""Structural operators: which spans of a trace stand in a relation to others.

The table that is asked has a row a span with its ids, ``arrival``, which names the row, and ``reached``: whether a root
span leads to it. As in Tempo (``block_traceql.go``) a span that none leads to stands in no relation. What lies below or
above a span is found by walking the tree one level at a time, all traces at once; a walk adds no row twice, so that
spans whose ids form a circle end it.
"""

from sqlglot import exp

from spanlake.traceql.relation import ARRIVAL
from spanlake.traceql.tree import Relation
from spanlake.traceql.values import Sql

TRACE, SPAN_ID, PARENT_ID, REACHED = "trace_id", "span_id", "parent_span_id", "reached"

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


def walk_down(name: str, table: str, marked: Sql | None = None) -> exp.Query:
    """From the roots of all traces: ``trace_id, span_id, arrival, marked, below``; to be a recursive table ``name``.

    ``below`` says whether a span above is marked.
    """
    mark = exp.false() if marked is None else marked
    own = [exp.column(column) for column in (TRACE, SPAN_ID, ARRIVAL)]
    roots = exp.select(*own, exp.alias_(mark, "marked"), exp.alias_(exp.false(), "below"))
    roots = roots.from_(table).where(exp.Is(this=exp.column(PARENT_ID), expression=exp.Null()))
    above = exp.or_(exp.column("below", table="above"), exp.column("marked", table="above"))
    steps = exp.select(*(exp.column(column.name, table="child") for column in own), _of("child", mark), above)
    steps = steps.from_(exp.alias_(exp.to_table(name), "above", table=True))
    return exp.union(roots, _joined(steps, table, "child", PARENT_ID, "above", SPAN_ID))


def walk_up(name: str, table: str, marked: Sql | None) -> exp.Query:
    """The ids of all spans above marked ones: ``trace_id, span_id``; to be a recursive table ``name``."""
    first = exp.select(exp.column(TRACE), exp.alias_(exp.column(PARENT_ID), SPAN_ID)).from_(table).where(marked)
    steps = exp.select(exp.column(TRACE, table="parent"), exp.column(PARENT_ID, table="parent"))
    steps = steps.from_(exp.alias_(exp.to_table(name), "below", table=True))
    return exp.union(first, _joined(steps, table, "parent", SPAN_ID, "below", SPAN_ID))


def _joined(query: exp.Select, table: str, alias: str, own: str, other: str, theirs: str) -> exp.Select:
    on = [
        exp.EQ(this=exp.column(mine, table=alias), expression=exp.column(its, table=other))
        for mine, its in ((TRACE, TRACE), (own, theirs))
    ]
    return query.join(exp.alias_(exp.to_table(table), alias, table=True), on=exp.and_(*on))


def _of(alias: str, sql: Sql) -> Sql:
    return exp.column(sql.name, table=alias) if isinstance(sql, exp.Column) else sql


def is_reached(walk: str) -> Sql:
    """Whether a walk down came by the row's span."""
    return exp.In(this=exp.column(ARRIVAL), query=exp.select(ARRIVAL).from_(walk).subquery())


def is_below(walk: str) -> Sql:
    """Whether a walk down came by the row's span below a marked one."""
    passed = exp.select(ARRIVAL).from_(walk).where(exp.column("below"))
    return exp.In(this=exp.column(ARRIVAL), query=passed.subquery())


def is_above(walk: str) -> Sql:
    """Whether a walk up came by the row's span."""
    return exp.and_(exp.column(REACHED), _in(exp.select(TRACE, SPAN_ID).from_(walk), SPAN_ID))


def is_child(others: Sql, table: str) -> Sql:
    """Whether the row's parent is one of the others."""
    return exp.and_(exp.column(REACHED), _in(exp.select(TRACE, SPAN_ID).from_(table).where(others), PARENT_ID))


def is_parent(others: Sql, table: str) -> Sql:
    """Whether the row's span is the parent of one of the others."""
    return exp.and_(exp.column(REACHED), _in(exp.select(TRACE, PARENT_ID).from_(table).where(others), SPAN_ID))


def is_sibling(others: Sql) -> Sql:
    """Whether another of the others has the row's parent; roots are siblings."""
    mine = exp.cast(others, "INTEGER")
    beside = exp.Window(this=exp.Sum(this=mine), partition_by=[exp.column(TRACE), exp.column(PARENT_ID)])
    return exp.and_(exp.column(REACHED), exp.GT(this=exp.paren(beside - mine.copy()), expression=exp.Literal.number(0)))


def _in(chosen: exp.Select, own: str) -> Sql:
    mine = exp.Tuple(expressions=[exp.column(TRACE), exp.column(own)])
    return exp.In(this=mine, query=chosen.subquery())
