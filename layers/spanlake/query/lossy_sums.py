"""Sums of an attribute as Tempo makes them, which lose values.

Tempo adds up the spans of a block one by one, by ascending trace id and within a trace as they arrived, and takes a
span without the attribute for one whose value is not a number. Before the first value that does no harm. After it the
sum is not a number, and every value from then on only takes the place of one that is not a number, or makes the next
one not a number. So once a span without a value has followed one with a value, what remains is the last value of all,
if an odd number of values came after the last span without one, and nothing otherwise. Source: ``sumOverTime`` and
``kahanSumInc`` in Tempo's ``pkg/traceql``.

To tell that from a million spans, little of their order has to be known: the first trace with a value and the last one
with a gap, and the order of the spans from that trace on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.values import Sql

TRACE, PLACE = "sum_trace", "sum_place"
"""Columns of the spans that are summed: the trace's id, and a number that grows as spans arrive."""

_TOTAL, _FIRST, _GAP = "total", "first", "gap"  # of a group: its sum, the first trace with a value, the last without
_GAP_VALUES, _LATER, _LAST = "gap_values", "later", "last"


def aggregates(value: exp.Column) -> list[exp.Expr]:
    """What is to be known of each group of spans, besides what ``with_tails`` adds."""
    there = values.not_null(value)
    trace = exp.column(TRACE)
    return [
        exp.alias_(exp.Sum(this=value.copy()), _TOTAL),
        exp.alias_(_where(exp.Min(this=trace), there), _FIRST),
        exp.alias_(_where(exp.Max(this=trace.copy()), exp.not_(there.copy())), _GAP),
    ]


def with_tails(grouped: exp.Select, spans: exp.Query, names: Sequence[str], value: exp.Column) -> exp.Select:
    """The rows of ``grouped``, a query of the table ``matching``, and what each group's last spans are like.

    ``matching`` is made from ``spans``; ``names`` are the columns that it is grouped by.
    """
    broken = _column("groups", _GAP) >= _column("groups", _FIRST)
    start = exp.select(exp.Min(this=exp.column(_GAP))).from_("groups").where(broken.copy())
    late = exp.select(exp.Star()).from_("matching").where(exp.column(TRACE) >= start.subquery())
    keys = [exp.alias_(_column("groups", name), name) for name in names]
    same = [exp.NullSafeEQ(this=_column("groups", name), expression=_column("late", name)) for name in names]
    tails = (
        exp.select(*keys, *_tail(value))
        .from_("groups")
        .join("late", on=exp.and_(*same, broken, _column("late", TRACE) >= _column("groups", _GAP)))
        .group_by(*(_column("groups", name) for name in names))
    )
    joined = [exp.NullSafeEQ(this=_column("groups", name), expression=_column("tails", name)) for name in names]
    found = [_column("tails", name) for name in (_GAP_VALUES, _LATER, _LAST)]
    query = exp.select(exp.Column(this=exp.Star(), table=exp.to_identifier("groups")), *found).from_("groups")
    query.join("tails", on=exp.and_(*joined), join_type="LEFT", copy=False)
    for name, table in (("matching", spans), ("groups", grouped.from_("matching")), ("late", late), ("tails", tails)):
        query.with_(name, as_=table, materialized=True, copy=False)
    return query


def _tail(value: exp.Column) -> list[exp.Expr]:
    trace, gap = _column("late", TRACE), _column("groups", _GAP)
    place = exp.Ordered(this=exp.column(PLACE))
    in_order = exp.ArrayAgg(this=exp.Order(this=value.copy(), expressions=[place]))
    members = {"trace": exp.column(TRACE), "place": exp.column(PLACE)}
    key = exp.Struct(
        expressions=[exp.PropertyEQ(this=exp.to_identifier(name), expression=sql) for name, sql in members.items()]
    )
    return [
        exp.alias_(_where(in_order, exp.EQ(this=trace, expression=gap)), _GAP_VALUES),
        exp.alias_(_where(exp.Count(this=exp.Star()), trace.copy() > gap.copy()), _LATER),
        exp.alias_(exp.func("max_by", value.copy(), key), _LAST),
    ]


def read(row: Mapping[str, Any]) -> float | None:
    """The sum of a group, None where Tempo has lost it."""
    first, gap = row[_FIRST], row[_GAP]
    if first is None:
        return None
    if gap is None or gap < first:
        return float(row[_TOTAL])
    run, is_whole = _last_values(row[_GAP_VALUES])
    if is_whole and first == gap:
        return float(row[_TOTAL])
    return float(row[_LAST]) if (run + row[_LATER]) % 2 else None


def _last_values(found: list[float | None]) -> tuple[int, bool]:
    """How many values follow the last gap, and whether none comes before it."""
    run = next((n for n, value in enumerate(reversed(found)) if value is None), len(found))
    return run, all(value is None for value in found[: len(found) - run])


def _column(table: str, name: str) -> exp.Column:
    return exp.column(name, table=table)


def _where(function: exp.Expr, test: Sql) -> exp.Expr:
    return exp.Filter(this=function, expression=exp.Where(this=test))
