"""The first stage of a metrics query: one SQL aggregation over the matching spans, read as time series."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.compile.metrics import Row, quantile_label
from spanlake.query.compile.outputs import Role
from spanlake.query.compile.series import MetricsQueries, compile_metrics
from spanlake.query.compile.spans import Compiled
from spanlake.query.engine.inputs import run
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.metrics import exemplars
from spanlake.query.metrics.exemplars import ExemplarCandidate
from spanlake.query.plan import Grain, MetricsLeaf
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.search_results import read_value
from spanlake.query.series import NAME, Exemplar, Labels, LabelValue, Series, hashable
from spanlake.query.spanning_traces import SpanningTraces
from spanlake.query.time_range import Steps
from spanlake.spans.arrow import Array, as_array, codes, int32, ordered_codes, rows_of
from spanlake.traceql import ast

_RARE = 10_000  # spans, of which all are looked through for exemplars


@dataclass(frozen=True)
class Aggregation:
    """A metrics function over the spans that a pipeline finds, compiled for the blocks that it is read from.

    ``source`` reaches beyond the steps for the sake of spans that are judged together. ``limit`` is of exemplars.
    """

    session: Session
    source: BlockScan
    queries: MetricsQueries
    steps: Steps
    limit: int

    @classmethod
    def of(cls, session: Session, source: BlockScan, leaf: MetricsLeaf, steps: Steps, limit: int) -> "Aggregation":
        """Compile a leaf for blocks, of all the time in which spans that it judges together may lie."""
        source = source if leaf.grain is Grain.SPAN or isinstance(leaf.function, ast.Compare) else source.with_history
        knows_range = session.engine.traits.knows_rows and source.is_within(steps.since_ns, steps.last_ns)
        queries = compile_metrics(leaf, source.known, steps, is_within=knows_range, exemplars=bool(limit))
        return cls(session, source, queries, steps, limit)

    def series(self) -> list[Series]:
        """Return the series. Raises LimitExceeded."""
        builder = _SeriesBuilder(_GroupReader(self.queries), self.steps, self.session)
        if not self._in_range.blocks:
            return builder.series()
        at_once = bool(self.limit) and (self.queries.are_judged_together or not self.session.engine.traits.is_quick)
        table = self._table(self.queries.series(self.steps, exemplar=at_once), self._counted())
        builder.add(table)
        matched = int(pc.sum(table[Role.COUNT]).as_py() or 0)  # a sum of counts comes as a decimal number
        if self.limit and matched:
            for one in self._chosen(table) if at_once else self._looked_for(matched):
                builder.show(one)
        return builder.series()

    def exemplars(self, matched: int) -> list[ExemplarCandidate]:
        """Return the exemplars alone, of so many matching spans; none where spans are judged together."""
        if not matched or self.queries.are_judged_together:
            return []
        return self._looked_for(matched)

    def _looked_for(self, matched: int) -> list[ExemplarCandidate]:
        """Find exemplars among spans that are judged one by one."""
        source = self._in_range.once()
        sample = source.sampled(*exemplars.SAMPLE)
        if matched > _RARE or sample.spans * matched >= min(self.limit, matched) * source.spans:
            source = sample
        parts = exemplars.parts(self.steps, self.limit)
        return self._chosen(self._table(self.queries.exemplars_of(parts), source))

    def _chosen(self, table: pa.Table) -> list[ExemplarCandidate]:
        return _GroupReader(self.queries).chosen(table, self.steps, self.limit)

    def _counted(self) -> BlockScan:
        """Return the spans that are counted, each once."""
        is_whole = self.queries.are_judged_together
        spanning = SpanningTraces(self.session, self.source, self.steps.since_ns, self.steps.last_ns)
        source = (spanning.whole() if is_whole else self._in_range).once()
        self.session.charge(source.blocks)
        return source

    @property
    def _in_range(self) -> BlockScan:
        return self.source.overlapping(self.steps.since_ns, self.steps.last_ns)

    def _table(self, compiled: Compiled, source: BlockScan) -> pa.Table:
        limit = self.session.limits.points
        table = run(self.session, compiled, source, limit=limit + 1)
        if table.num_rows > limit:
            raise _too_many_points(limit)
        return table


@dataclass(frozen=True)
class _GroupReader:
    """Reads the groups of an answer: a row has what was measured of one of them at one step."""

    queries: MetricsQueries

    def groups(self, table: pa.Table) -> Iterator[tuple[Labels, list[int]]]:
        """Return the labels that rows of such a table are grouped by, with the numbers of the rows that have them."""
        rows = rows_of(self._numbers(table))
        return zip(self._labels(table, pc.list_element(rows, 0)), rows.to_pylist(), strict=True)

    def _numbers(self, table: pa.Table, numbered: Callable[[Sequence[Array]], Array] = codes) -> Array:
        """Return for each row the number of its group, of all steps together."""
        columns = [_comparable(as_array(table[group.name])) for group in self.queries.groups[1:]]
        return numbered(columns) if columns else pa.repeat(int32(0), table.num_rows)

    def _labels(self, table: pa.Table, rows: Array) -> Iterator[Labels]:
        for row in table.select([group.name for group in self.queries.groups]).take(rows).to_pylist():
            yield self._with_nil(tuple(self._read(row))) + self.queries.aggregate.labels(row)

    def _read(self, row: Row) -> Iterator[tuple[str, LabelValue]]:
        for label in self.queries.labels:
            if (value := hashable(read_value(row, label.columns))) is not None:
                yield label.name, value

    def _with_nil(self, labels: Labels) -> Labels:
        """Return a series of which all labels are nil has the first, unless it has others besides."""
        if labels or not self.queries.labels or self.queries.aggregate.name is None:
            return labels
        return ((self.queries.labels[0].name, None),)

    def chosen(self, table: pa.Table, steps: Steps, limit: int) -> list[ExemplarCandidate]:
        """Return the exemplars that are shown, of those that the rows offer."""
        offered = table.filter(pc.is_valid(table[Role.EXEMPLAR]))
        if not offered.num_rows:
            return []
        found: Any = as_array(offered[Role.EXEMPLAR])
        starts, traces = found.field("start"), found.field("trace")
        groups = self._numbers(offered, ordered_codes)  # so that it does not matter how the rows lie
        rows = pa.array(exemplars.choose(groups, starts, traces, steps, limit), pa.int64())
        labels, unit = self._labels(offered, rows), self.queries.aggregate.unit
        return [
            ExemplarCandidate.of(group, one, unit)
            for group, one in zip(labels, found.take(rows).to_pylist(), strict=True)
        ]


def _comparable(column: Array) -> Array:
    """Return lists as texts: Arrow does not compare lists."""
    if not isinstance(column.type, pa.ListType):
        return column
    return pa.array([None if value is None else repr(value) for value in column.to_pylist()], pa.string())


@dataclass
class _SeriesPoints:
    labels: Labels
    values: list[float | None]
    exemplars: list[Exemplar]


class _SeriesBuilder:
    """Puts series together from the rows of groups."""

    def __init__(self, groups: _GroupReader, steps: Steps, session: Session) -> None:
        self._groups = groups
        self._aggregate = groups.queries.aggregate
        self._steps = steps
        self._limits = session.limits
        self._series: dict[str, _SeriesPoints] = {}

    def add(self, table: pa.Table) -> None:
        """Add the values that were measured of groups. Raises LimitExceeded."""
        positions: list[int] = table[Role.STEP].to_pylist()  # type: ignore[assignment]  # none is NULL
        readings = list(self._aggregate.read(table))
        for labels, rows in self._groups.groups(table):
            for added, measured in readings:
                values = self._points_of(labels + added).values
                for row in rows:
                    values[positions[row]] = measured[row]

    def show(self, one: ExemplarCandidate) -> None:
        """Show an exemplar: of quantiles with the lowest that is not below its value."""
        labels = tuple(label for label in one.group if label[0] != NAME)
        names = [one.group + quantile_label(q) for q in self._aggregate.quantiles] or [one.group]
        at = self._steps.position(one.start_ns)
        every = [self._points_of(name) for name in names]
        points = next((each for each in every if _reaches(each.values[at], one.value)), every[-1])
        points.exemplars.append(one.exemplar(labels))

    def series(self) -> list[Series]:
        """Return the series that have a value, and the series that is always there."""
        if self._aggregate.is_always_there and not self._groups.queries.labels:
            self._points_of(())
        found = (one for one in self._series.values() if any(value is not None for value in one.values))
        return [Series(one.labels, tuple(one.values), tuple(one.exemplars)) for one in found]

    def _points_of(self, labels: Labels) -> _SeriesPoints:
        measure = self._aggregate
        labels = labels or ((NAME, measure.name),)
        points = self._series.get(repr(labels))
        if points is None:
            points = _SeriesPoints(labels, [0.0 if measure.filled else None] * self._steps.count, [])
            self._series[repr(labels)] = points
            self._check(len(self._series))
        return points

    def _check(self, count: int) -> None:
        if count > self._limits.series:
            raise LimitExceeded(
                f"the query makes more than {self._limits.series} series: group by fewer attributes, or raise "
                "--query-series"
            )
        if count * self._steps.count > self._limits.points:
            raise _too_many_points(self._limits.points)


def _reaches(quantile: float | None, value: float | None) -> bool:
    return quantile is not None and value is not None and quantile >= value


def _too_many_points(limit: int) -> LimitExceeded:
    return LimitExceeded(
        f"the query makes more than {limit} points: group by fewer attributes, ask for a longer step or a shorter "
        "range, or raise --query-points"
    )
