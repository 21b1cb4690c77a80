"""Compiled queries and their inputs, and the relation that compiled fields refer to.

The relation is spans, joined with the other data that a query needs. It reads a table named ``spans`` with the physical
columns of ``Needs.stored_columns`` and ``arrival``, a number that grows in the order of arrival. For nested set numbers
it also reads the table PLACED, which is computed outside SQL from the result of ``structure.tree_query``, as SQL is not
suited to walking a tree.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.fields import CHILDREN, PARENT, SPAN, TRACE, TREE
from spanlake.query.compile.sql import Sql, parsed
from spanlake.query.plan import Grain

if TYPE_CHECKING:
    from spanlake.query.compile.structure import StructuralStep

SPANS = "spans"
ROW_ID = "arrival"
TIES = "ties"
"""The table of parents: the ``arrival`` of each ``child``, and of its ``parent``."""
OF_TIES = frozenset(("twins", "chosen", TIES))
"""The tables by which SQL finds parents, which are not needed where they are given."""
PLACED = "placed"
"""The table of nested set numbers: ``arrival``, ``nested_left``, ``nested_right`` and ``nested_parent``.

A root's parent is -1. Roots and siblings are numbered in the order of their starts, then of their ids. Spans without a
root have 0 in all columns.
"""

_TRACES = """
    SELECT trace_id,
      MIN(start_time_unix_nano) AS trace_start,
      MAX(span_end) AS trace_end,
      MAX(span_end) - MIN(start_time_unix_nano) AS trace_duration,
      MIN_BY(name, ROW(start_time_unix_nano, span_id)) FILTER (WHERE parent_span_id IS NULL) AS root_name,
      MIN_BY(COALESCE(service_name, ''), ROW(start_time_unix_nano, span_id))
        FILTER (WHERE parent_span_id IS NULL) AS root_service
    FROM (
      SELECT *, start_time_unix_nano
        + LEAST(GREATEST(duration_nano, 0), 9223372036854775807 - start_time_unix_nano) AS span_end
      FROM spans
    ) GROUP BY trace_id
"""
# Hardly any two spans of a trace share an id. Of those that do, a server span's parent is the client and any other
# span's is the server. Where that does not decide, it is the span that starts first, then ends first, then by name. No
# span is its own parent.
_TWINS = """
    SELECT trace_id, span_id FROM {spans} GROUP BY trace_id, span_id HAVING COUNT(*) > 1
"""
_CHOSEN = """
    SELECT c.arrival AS child, MIN_BY(p.arrival, ROW(
      CASE WHEN p.kind = CASE WHEN c.kind = 2 THEN 3 ELSE 2 END THEN 0 ELSE 1 END,
      p.start_time_unix_nano, GREATEST(p.duration_nano, 0), p.name
    )) AS parent
    FROM twins AS t
    JOIN {spans} AS c ON c.trace_id = t.trace_id AND c.parent_span_id = t.span_id
    JOIN {spans} AS p ON p.trace_id = t.trace_id AND p.span_id = t.span_id
    WHERE p.arrival <> c.arrival GROUP BY c.arrival
"""
_TIES = """
    SELECT c.arrival AS child, p.arrival AS parent
    FROM {spans} AS c JOIN {spans} AS p ON p.trace_id = c.trace_id AND p.span_id = c.parent_span_id
    LEFT JOIN twins AS t ON t.trace_id = p.trace_id AND t.span_id = p.span_id
    WHERE t.span_id IS NULL AND p.arrival <> c.arrival
    UNION ALL
    SELECT child, parent FROM chosen
"""
_CHILDREN = """
    SELECT parent, COUNT(*) AS child_count FROM ties GROUP BY parent
"""

TIE_COLUMNS = frozenset(
    ("trace_id", "span_id", "parent_span_id", "kind", "start_time_unix_nano", "duration_nano", "name")
)
_TRACE_COLUMNS = (TIE_COLUMNS - {"kind"}) | {"service_name"}


@dataclass(frozen=True)
class Needs:
    """The parts of the relation that finished SQL names."""

    columns: frozenset[str] = frozenset()
    parent_columns: frozenset[str] = frozenset()
    trace: bool = False
    children: bool = False
    nested_sets: bool = False
    row_id: bool = False

    @classmethod
    def of(cls, *sql: exp.Expr) -> "Needs":
        """Read the needs off expressions, by the aliases of their columns."""
        named: defaultdict[str, set[str]] = defaultdict(set)
        for tree in sql:
            for column in tree.find_all(exp.Column):
                named[column.table].add(column.name)
        of_span, of_parent = named[SPAN], named[PARENT]
        return cls(
            frozenset(of_span - {ROW_ID}),
            frozenset(of_parent),
            TRACE in named,
            CHILDREN in named,
            TREE in named,
            ROW_ID in of_span,
        )

    @property
    def parents(self) -> bool:
        """True where the relation joins each span with its parent or its children."""
        return bool(self.parent_columns) or self.children

    @property
    def grain(self) -> Grain:
        """The grain of the SQL."""
        if self.parents or self.nested_sets:
            return Grain.TREE
        return Grain.TRACE if self.trace else Grain.SPAN

    @property
    def whole_traces(self) -> bool:
        """True where a span can be evaluated only together with the other spans of its trace."""
        return self.grain is not Grain.SPAN

    @property
    def stored_columns(self) -> frozenset[str]:
        """The physical columns that the table ``spans`` must have, in addition to ``arrival``."""
        of_trace = _TRACE_COLUMNS if self.trace else frozenset()
        of_ties = TIE_COLUMNS if self.parents or self.nested_sets else frozenset()
        return self.columns | self.parent_columns | of_trace | of_ties | {"trace_id"}

    @property
    def spans(self) -> "SpanInput":
        """The table ``spans`` that the relation reads."""
        return SpanInput(self.stored_columns, row_id=self.row_id or self.parents or self.nested_sets)


@dataclass(frozen=True)
class SpanInput:
    """The table ``spans``: these columns of a scan's rows, ``arrival`` among them if ``row_id``.

    They are the spans of the traces whose ids ``candidates`` returns, of all traces without it.
    """

    columns: frozenset[str]
    row_id: bool = False
    candidates: "Compiled | None" = None


@dataclass(frozen=True)
class NestedSetInput:
    """The table PLACED: the nested set numbers of the spans of a scan."""

    spans: SpanInput


@dataclass(frozen=True)
class StructureInput:
    """The table BASE of ``structure``: the rows of ``base`` with a column for each of the steps."""

    base: "Compiled"
    steps: "tuple[StructuralStep, ...]"


Input: TypeAlias = SpanInput | NestedSetInput | StructureInput


@dataclass(frozen=True)
class Compiled:
    """A query, and the tables that it reads. Whoever changes ``sql`` copies it first.

    ``outputs`` tells its columns and their types, if an engine outside of the process may be asked for them.
    """

    sql: exp.Select
    inputs: tuple[Input, ...]
    outputs: pa.Schema | None = None

    def within(self, query: exp.Select, name: str = "matching") -> "Compiled":
        """Make this the table that a query without FROM reads as ``name``; it is not to be used by itself then."""
        return replace(self, sql=query.from_(self.sql.subquery(name, copy=False), copy=False))

    @property
    def columns(self) -> frozenset[str]:
        """The columns of spans that the inputs have."""
        return frozenset[str]().union(*(_columns_of(one) for one in self.inputs))


def _columns_of(one: Input) -> frozenset[str]:
    match one:
        case SpanInput():
            return one.columns
        case NestedSetInput():
            return one.spans.columns
        case StructureInput():
            return one.base.columns


def compile_spans(
    select: Sequence[exp.Expr],
    tests: Iterable[Sql] = (),
    candidates: "Compiled | None" = None,
    *,
    together: bool = False,
) -> Compiled:
    """Compile ``SELECT select FROM spans AS s`` with the needed joins.

    ``candidates`` restricts the spans to some traces where they are evaluated ``together``, or need to be.
    """
    tests = list(tests)
    needs = Needs.of(*select, *tests)
    query = _relation(needs, select).where(*tests, copy=False)
    spans = replace(needs.spans, candidates=candidates if together or needs.whole_traces else None)
    return Compiled(query, (spans, *([NestedSetInput(spans)] if needs.nested_sets else [])))


def _relation(needs: Needs, select: Sequence[exp.Expr]) -> exp.Select:
    query = exp.select(*select).from_(exp.table_(SPANS, alias=SPAN), copy=False)
    if needs.children:
        with_children(query)
    elif needs.parent_columns:
        _with_ties(query)
    if needs.parent_columns:
        query = _join(query, TIES, "tie", (ROW_ID, SPAN), "child", kind="LEFT")
        query = _join(query, SPANS, PARENT, ("parent", "tie"), ROW_ID, kind="LEFT")
    if needs.trace:
        query.with_("traces", as_=parsed(_TRACES), copy=False)
        query = _join(query, "traces", TRACE, ("trace_id", SPAN), "trace_id")
    if needs.children:
        query = _join(query, "children", CHILDREN, (ROW_ID, SPAN), "parent", kind="LEFT")
    return _join(query, PLACED, TREE, (ROW_ID, SPAN), ROW_ID) if needs.nested_sets else query


def define_first(query: exp.Select, name: str, table: exp.Query, *, materialized: bool | None = None) -> None:
    """Define a table that the other tables of a query may read."""
    others = query.args.get("with_")
    query.set("with_", None)
    query.with_(name, as_=table, materialized=materialized, copy=False)
    query.args["with_"].expressions.extend(others.expressions if others else [])


def with_children(query: exp.Select, spans: str = SPANS) -> exp.Select:
    """Define the table ``children``: the ``arrival`` of each ``parent`` in a table of spans, and its child_count."""
    return _with_ties(query, spans).with_("children", as_=parsed(_CHILDREN), copy=False)


def _with_ties(query: exp.Select, spans: str = SPANS) -> exp.Select:
    """Define the table ``ties``: the ``arrival`` of each ``child`` in a table of spans, and of its ``parent``."""
    for name, text in (("twins", _TWINS), ("chosen", _CHOSEN), (TIES, _TIES)):
        query.with_(name, as_=parsed(text.format(spans=spans)), copy=False)
    return query


def _join(
    query: exp.Select, table: str, alias: str, ours: tuple[str, str], theirs: str, kind: str = "INNER"
) -> exp.Select:
    """Join a query with a table on a column of one of its own tables: ``ours`` is the column and its table."""
    name, owner = ours
    test = exp.EQ(this=exp.column(theirs, table=alias), expression=exp.column(name, table=owner))
    return query.join(exp.table_(table, alias=alias), on=test, join_type=kind, copy=False)
