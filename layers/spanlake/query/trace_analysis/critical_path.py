"""The critical path of a trace: the spans, and the parts of them, that its duration is made of.

It is found from the end: of the children of a span on the path, the one that ends last is on it, then the one that ends
last before that one starts, and so on. Children are cut off where a span above them begins or ends.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile.sql import bind_rows, parsed
from spanlake.query.engine.session import Session
from spanlake.query.trace_analysis.tree import TraceTree, doubled, root_rows
from spanlake.spans.arrow import Array, as_array, numbers, scatter

_SPANS = "spans"
# Sibling that ends last before a span starts. Spans without a duration are left out: they would precede themselves.
_BEFORE = """
    SELECT a.row, b.row AS before FROM spans AS a
    ASOF LEFT JOIN spans AS b ON a.parent = b.parent AND a.start >= b."end"
"""
_LAST = """
    SELECT MAX_BY(row, ROW("end", -start, row)) AS row FROM spans GROUP BY parent
"""
# What is left of a span on the path when its children on the path are taken away: the part before the first of them,
# and that between the end of each and the start of the next.
_SECTIONS = """
    SELECT row, start, "end" FROM (
      SELECT p.row, p.start, COALESCE(MIN(c.start), p."end") AS "end"
      FROM spans AS p LEFT JOIN spans AS c ON c.parent = p.row GROUP BY p.row, p.start, p."end"
      UNION ALL
      SELECT p.row, c."end" AS start,
        COALESCE(LEAD(c.start) OVER (PARTITION BY c.parent ORDER BY c.start), p."end") AS "end"
      FROM spans AS c JOIN spans AS p ON c.parent = p.row
    ) WHERE start < "end" ORDER BY row, start
"""


@dataclass(frozen=True)
class Section:
    """A part of a span on the critical path in Unix nanoseconds; ``row`` is the span's in the table of the trace."""

    row: int
    start_ns: int
    end_ns: int


def critical_path(session: Session, trace: pa.Table) -> list[Section]:
    """Return the sections of the path by row and start; together they last as long as spans of the trace run."""
    tree = TraceTree(trace)
    clipped = _clipped(tree)
    before = session.run(_over(_BEFORE, clipped))
    last = as_array(session.run(_over(_LAST, clipped))["row"])
    ahead = scatter(as_array(before["before"]), as_array(before["row"]), tree.rows)
    on_path = _on_path(tree.parent, _chained(last, ahead, tree.rows))
    rows = as_array(clipped["row"])
    path = clipped.filter(on_path.take(rows))
    return [Section(*row.values()) for row in session.run(_over(_SECTIONS, path)).to_pylist()]


def _over(text: str, spans: pa.Table) -> exp.Select:
    """Parse a query of the table of spans."""
    return bind_rows(parsed(text), {_SPANS: spans})


def _clipped(tree: TraceTree) -> pa.Table:
    """Cut spans off at the ends of all spans above them, and drop those of which nothing is left."""
    start, end = tree.start, tree.end
    for ahead in doubled(tree.parent):
        start, end = pc.max_element_wise(start, start.take(ahead)), pc.min_element_wise(end, end.take(ahead))
    columns = {"row": numbers(tree.rows), "parent": root_rows(tree.parent), "start": start, "end": end}
    return pa.table(columns).filter(pc.less(start, end))


def _chained(last: Array, before: Array, rows: int) -> Array:
    """True of the last children, and of all that come before one of them."""
    reached = pc.is_in(numbers(rows), value_set=last)
    for ahead in doubled(before):
        reached = pc.or_(reached, pc.is_in(numbers(rows), value_set=ahead.filter(reached).drop_null()))
    return reached


def _on_path(parents: Array, chained: Array) -> Array:
    """True where a span and all spans above it are chained."""
    off: Array = pc.invert(chained)
    for ahead in doubled(parents):
        off = pc.or_(off, pc.fill_null(off.take(ahead), pa.scalar(False)))
    return pc.invert(off)


def self_ns(sections: list[Section]) -> dict[int, int]:
    """Return the nanoseconds on the path by row."""
    found: dict[int, int] = {}
    for section in sections:
        found[section.row] = found.get(section.row, 0) + section.end_ns - section.start_ns
    return found
