"""``compare()``: how often each value of each attribute occurs in a selection of spans, and in all the others.

Every attribute is a grouping set of one query, a few dozen attributes a query. Those of resources are counted by
resource and instrumentation scope first, of which there are few, and the intrinsics of spans by their combinations.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.facets import EVERYWHERE, Facet, Level, facets
from spanlake.query.compile.fields import span_column
from spanlake.query.compile.metrics import selected
from spanlake.query.compile.spans import ROW_ID, Compiled, compile_spans
from spanlake.query.compile.spansets import SpanPipeline
from spanlake.query.compile.sql import Sql, memory_table
from spanlake.query.engine.inputs import bound, run
from spanlake.query.engine.session import Session
from spanlake.query.metrics.tally import CELL, CELLS, ROWS, Counter, SeriesValues, Tally, with_rows
from spanlake.query.metrics.trace_intrinsics import FACETS, TraceIntrinsics
from spanlake.query.plan import SearchPlan
from spanlake.query.scan.blocks import BlockScan, range_test
from spanlake.query.search_results import render_value
from spanlake.query.series import LabelValue, Series, hashable
from spanlake.query.spanning_traces import REACH_NS, SpanningTraces
from spanlake.query.time_range import Steps, position
from spanlake.traceql import ast

_START = "start_time_unix_nano"
_META = "__meta_type"
_SIDES = ("baseline", "selection")
_IDS = {name: span_column(name) for name in ("resource_id", "scope_id")}
_OF_PORTIONS = "of_portions"
_CHOSEN, _CHOSEN_ARRIVAL = "chosen", "came"


def compare(session: Session, source: BlockScan, plan: SearchPlan, node: ast.Compare, steps: Steps) -> list[Series]:
    """Return the series of compare: counts of the most frequent values of each attribute, and of all its values.

    Raises LimitExceeded for too many values or points.
    """
    source = source.with_history  # for what is counted of roots and children
    spans = _Spans.of(session, source, plan, node, steps)
    attributes: dict[str, _Attribute] = {}
    counter = Counter(session, node.top, steps.count)
    for counted, tallies in _counted(counter, spans, source, steps):
        for found in tallies:
            facet = counted[found.column]
            attributes.setdefault(facet.name, _Attribute()).add(facet, found)
    return _series(attributes, counter)


# the spans


@dataclass(frozen=True)
class _Spans:
    """The matching spans and their cells: a cell is a point in time, twice its number, and a side, 1 if selected.

    Where spans can be judged one by one, every query judges them again. Otherwise they are ``chosen`` once: a table of
    the cell and the ``arrival`` of each.
    """

    session: Session
    source: BlockScan
    plan: SearchPlan
    node: ast.Compare
    steps: Steps
    chosen: pa.Table | None = None

    @classmethod
    def of(cls, session: Session, source: BlockScan, plan: SearchPlan, node: ast.Compare, steps: Steps) -> "_Spans":
        # The blocks of `_whole`, so that a span has one `arrival` in both.
        near = source.overlapping(steps.since_ns - REACH_NS, steps.last_ns + REACH_NS).once()
        alone = cls(session, near, plan, node, steps)
        if alone._pipeline.judges_alone(alone._cell):
            return alone
        whole = _whole(session, source, steps)
        spans = cls(session, whole, plan, node, steps)
        matching = spans._matching([exp.alias_(span_column(ROW_ID), _CHOSEN_ARRIVAL)])
        return replace(spans, chosen=run(session, matching, whole))

    @property
    def are_cheap(self) -> bool:
        """True where the cells of spans are quickly told: from files at hand, without what takes long to read."""
        if self.chosen is not None or not self.source.is_local:
            return False
        return not self._matching([]).columns & {"events", "links"}

    def cells(self, columns: Mapping[str, Sql]) -> exp.Select:
        """Return a query without a body that defines the table ``cells``: the cell of each span, and columns of it.

        Whoever reads it more than once reads what it needs from the blocks each time: to keep it would take memory.
        """
        read = [exp.alias_(column.copy(), name) for name, column in columns.items()]
        cells = self._matching(read) if self.chosen is None else self._of_chosen(self.chosen, read)
        return exp.Select().with_(CELLS, as_=bound(self.session, cells, self.source), materialized=False, copy=False)

    @cached_property
    def _pipeline(self) -> SpanPipeline:
        return SpanPipeline(self.plan, self.source.known)

    def _matching(self, columns: list[exp.Expr]) -> Compiled:
        return self._pipeline.matching([self._cell.copy(), *columns], range_test(self.steps, self.source))

    def _of_chosen(self, chosen: pa.Table, columns: list[exp.Expr]) -> Compiled:
        same = exp.EQ(this=span_column(ROW_ID), expression=exp.column(_CHOSEN_ARRIVAL, table=_CHOSEN))
        cells = compile_spans([exp.column(CELL, table=_CHOSEN), *columns], [same])
        return replace(cells, sql=cells.sql.join(memory_table(_CHOSEN, chosen), join_type="cross", copy=False))

    @cached_property
    def _cell(self) -> exp.Expr:
        is_selected = exp.Is(this=exp.paren(selected(self.source.known, self.node)), expression=exp.true())
        side = exp.cast(is_selected, "INTEGER")
        return exp.alias_(exp.cast(position(self.steps, span_column(_START)) * 2 + side, "INTEGER"), CELL)


# what is counted


@dataclass(frozen=True)
class _Counted:
    """The counts of one facet."""

    name: str
    type: ast.Type | None
    is_list: bool = False


def _counted(
    counter: Counter, spans: _Spans, source: BlockScan, steps: Steps
) -> Iterator[tuple[Mapping[str, _Counted], Iterable[Tally]]]:
    """Yield facets by the names of their columns, some at a time, with their counts."""
    whole = _whole(counter.session, source, steps) if spans.chosen is None else spans.source
    relatives = {column: _Counted(name, type_) for column, (name, type_) in FACETS.items()}
    yield relatives, counter.rows(_of_relatives(counter.session, spans, whole), list(relatives))
    columns = {f"f{n}": facet for n, facet in enumerate(facets(spans.source.known))}
    counted = {name: _Counted(facet.name, facet.type, facet.is_list) for name, facet in columns.items()}
    most = counter.session.policy.compare.columns
    for part in _parts(columns, Level.RESOURCE, most):
        cells = spans.cells({name: _read(facet) for name, facet in part.items()} | _IDS)
        yield counted, counter.rows(with_rows(cells, list(part), list(_IDS)), list(part))
    for part in _parts(columns, Level.INTRINSIC, most):
        cells = spans.cells({name: _read(facet) for name, facet in part.items()})
        yield counted, counter.rows(with_rows(cells, [], list(part)), list(part))
    for part in _parts(columns, Level.SPAN, most):
        cells = spans.cells({name: _read(facet) for name, facet in part.items()})
        kinds = {name: _kind(facet) for name, facet in part.items()}
        yield counted, counter.many(cells, kinds, separately=spans.are_cheap)


def _whole(session: Session, source: BlockScan, steps: Steps) -> BlockScan:
    """Return the spans of all traces that run in the range, each once."""
    return SpanningTraces(session, source, steps.since_ns, steps.last_ns).whole().once()


def _parts(columns: Mapping[str, Facet], level: Level, most: int) -> Iterator[Mapping[str, Facet]]:
    names = [name for name, facet in columns.items() if facet.level is level]
    for at in range(0, len(names), most):
        yield {name: columns[name] for name in names[at : at + most]}


def _read(facet: Facet) -> Sql:
    """Return the value of a facet; a list as JSON."""
    return exp.cast(exp.func("to_json", facet.sql), "VARCHAR") if facet.is_list else facet.sql


def _kind(facet: Facet) -> str:
    """Return the name of a facet's type in SQL."""
    return ast.Type.STRING.value if facet.is_list or facet.type is None else facet.type.value


def _of_relatives(session: Session, spans: _Spans, whole: BlockScan) -> exp.Select:
    kin = TraceIntrinsics.of(session, whole)
    if kin.portions == 1:
        return kin.with_rows(spans.cells(kin.columns))
    queries = (kin.with_rows(spans.cells(kin.columns), portion) for portion in range(kin.portions))
    found = [session.run(query.select(exp.Star(), copy=False).from_(ROWS, copy=False)) for query in queries]
    every = exp.select(exp.Star()).from_(memory_table(_OF_PORTIONS, pa.concat_tables(found)))
    return exp.Select().with_(ROWS, as_=every, copy=False)


# the series


@dataclass(frozen=True)
class _Value:
    """A value and how often it occurs."""

    label: LabelValue
    counts: SeriesValues

    @cached_property
    def total(self) -> float:
        """Total of both sides."""
        return math.fsum(self.counts)


@dataclass
class _Attribute:
    """The counts of an attribute on either side: its values, of any type, and their total."""

    values: tuple[dict[str, _Value], dict[str, _Value]] = field(default_factory=lambda: ({}, {}))
    totals: list[SeriesValues] = field(default_factory=lambda: [[], []])  # empty where nothing was counted

    def add(self, facet: _Counted, found: Tally) -> None:
        """Take in one tally of one of its facets."""
        side = found.side
        if found.value is None:
            self.totals[side] = _sum(self.totals[side], found.counts)
            return
        label = _label(facet, found.value)
        known = self.values[side].get(repr(label))
        self.values[side][repr(label)] = _Value(label, _sum(known.counts if known else [], found.counts))

    def most_frequent(self, side: int, top: int) -> Iterable[_Value]:
        """Return the most frequent values."""
        return sorted(self.values[side].values(), key=lambda one: (-one.total, str(one.label)))[:top]


def _sum(one: SeriesValues, other: SeriesValues) -> SeriesValues:
    return [a + b for a, b in zip(one, other, strict=True)] if one else other


def _label(facet: _Counted, text: str) -> LabelValue:
    if facet.is_list:
        return hashable(json.loads(text))
    if facet.type is ast.Type.BOOL:
        return text == "true"
    if facet.type is ast.Type.FLOAT:
        return float(text)
    if facet.type is ast.Type.STRING:
        return text
    return hashable(render_value(facet.type, text if facet.type is None else int(text)))


def _series(attributes: dict[str, _Attribute], counter: Counter) -> list[Series]:
    if EVERYWHERE not in attributes:
        return []
    found: list[Series] = []
    for name, attribute in sorted(attributes.items()):
        for side, meta in enumerate(_SIDES):
            found += _of_side(name, meta, attribute, side, counter.top)
        counter.check(len(found))
    return found


def _of_side(name: str, meta: str, attribute: _Attribute, side: int, top: int) -> Iterator[Series]:
    for one in attribute.most_frequent(side, top):
        yield Series(((_META, meta), (name, one.label)), tuple(one.counts))
    if total := attribute.totals[side]:
        yield Series(((_META, f"{meta}_total"), (name, None)), tuple(total))
