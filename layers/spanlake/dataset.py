"""A store as Arrow tables, for notebooks and scripts: queries, traces and SQL without a server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from spanlake.ingest.log_recovery import store_logged
from spanlake.query.engine.sql_session import SqlSession, live_view
from spanlake.query.open import open_querier
from spanlake.query.plan import plan_metrics, plan_search
from spanlake.query.querier import Querier
from spanlake.query.search import Ranking, Search
from spanlake.query.search_results import TraceResult
from spanlake.query.series import Series
from spanlake.query.time_range import Steps, TimeRange
from spanlake.settings.model import QueryLimits
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.index.base import Index
from spanlake.store.index.settled import settled
from spanlake.store.objects.base import Objects
from spanlake.store.open import open_index, open_objects
from spanlake.store.tenant import validate_tenant
from spanlake.traceql import ast, parse, validate
from spanlake.traceql.parser import parse_identifier

_INDEX = "index.sqlite"
_LIMITS = QueryLimits(seconds=3600.0)
_SECOND = timedelta(seconds=1)
_NANOSECONDS = pa.timestamp("ns", tz="UTC")
_SPAN_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("trace_id", pa.string()),
    ("span_id", pa.string()),
    ("name", pa.string()),
    ("start", _NANOSECONDS),
    ("duration", pa.duration("ns")),
    ("trace_start", _NANOSECONDS),
    ("root_service", pa.string()),
    ("root_name", pa.string()),
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The spans of one tenant of a store. Close it, or use it in ``with``."""

    objects: Objects
    index: Index
    querier: Querier
    tenant: str

    def query(
        self,
        traceql: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 1000,
        spans_per_set: int = 0,
        step: timedelta | None = None,
    ) -> pa.Table:
        """Return a row for each matching span of a search, or for each point of a metrics query.

        A search returns the newest ``limit`` traces with ``spans_per_set`` spans each, 0 for all; each attribute that
        the query names or selects is a column. Without a range all that is stored is read. A metrics query has a column
        for each label, then ``time`` and ``value``; without a step each series is one value over the range. Naive times
        are local. Raises TraceQLError, LimitExceeded, StoreError.
        """
        query = validate(parse(traceql), self.querier.sizes)
        when = self._range(start, end)
        if query.is_metrics:
            return _points(*self._series(query, when, step))
        wanted = Search(plan_search(query), when.start_ns, when.end_ns, limit, spans_per_set, Ranking.of(query))
        return _spans(self.querier.search(self.tenant, wanted))

    def trace(self, trace_id: str) -> pa.Table | None:
        """Return all spans of a trace with all their columns, None without such a trace; raises ValueError."""
        return self.querier.trace(self.tenant, bytes.fromhex(trace_id.replace("-", "").zfill(32)))

    def tags(self) -> dict[str, list[str]]:
        """Return the names of attributes by scope."""
        return self.querier.tag_names(self.tenant, "", "")

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute or intrinsic, such as ``resource.service.name``, as text."""
        when = TimeRange(0, MAX_NS - 1)  # the range of all time has every word of status and kind, stored or not
        found = self.querier.tag_values(self.tenant, [parse_identifier(name)], "", when)
        return sorted({each.value for each in found})

    def sql(self, statement: str) -> pa.Table:
        """Return the result of a statement of DuckDB over the view ``spans``; raises InvalidStatement."""
        blocks = sorted(self.index.find(self.tenant, MIN_NS, MAX_NS), key=lambda block: block.path)
        if not blocks:
            raise StoreError(f"tenant {self.tenant} has no spans")
        session = SqlSession(live_view(self.objects, blocks), self.objects)
        try:
            return session.arrow(statement)
        finally:
            session.close()

    def close(self) -> None:
        """Release memory and files."""
        self.querier.duck.close()
        self.index.close()

    def __enter__(self) -> "Dataset":
        """Return the data set itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _range(self, start: datetime | None, end: datetime | None) -> TimeRange:
        blocks = self.index.find(self.tenant, MIN_NS, MAX_NS) if start is None or end is None else []
        first = min((block.start_ns for block in blocks), default=0) if start is None else _unix_ns(start)
        last = max((block.end_ns for block in blocks), default=0) if end is None else _unix_ns(end)
        return TimeRange(max(first, 0), min(max(last, first), MAX_NS))

    def _series(self, query: ast.Query, when: TimeRange, step: timedelta | None) -> tuple[Sequence[Series], Steps]:
        if step is None:
            steps = Steps.whole(when.start_ns - 1, when.end_ns)
        else:
            step_ns = step // timedelta(microseconds=1) * 1000
            steps = Steps.aligned(when.start_ns, when.end_ns, step_ns, self.querier.duck.limits.samples)
        return self.querier.metrics(self.tenant, plan_metrics(query), steps), steps


def open_dataset(data: str | Path, objects_url: str, index_url: str, tenant: str) -> Dataset:
    """Open a store that exists, for one tenant; raises StoreError and InvalidTenant."""
    directory = Path(data)
    if not index_url and not (directory / _INDEX).exists():
        raise StoreError(f"{directory} holds no {_INDEX}: name the directory of a server's --data")
    objects, index = open_objects(objects_url, directory), open_index(index_url, directory, None)
    try:
        check_identity(objects, index)
        if not objects_url and not index_url:
            index = settled(index, lambda _: store_logged(directory, objects, index))
        querier = open_querier(objects, index, _LIMITS, None if objects_url else directory)
        return Dataset(objects, index, querier, validate_tenant(tenant))
    except BaseException:
        index.close()
        raise


def _unix_ns(moment: datetime) -> int:
    return (moment.astimezone() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _spans(traces: Iterable[TraceResult]) -> pa.Table:
    rows: list[tuple[Any, ...]] = []
    attributes: list[Mapping[str, Any]] = []
    for trace in traces:
        header = trace.header
        summary = (header.start_ns, header.root_service, header.root_name)
        for found in trace.sets:
            for span in found.spans:
                ids = (header.trace_id.hex(), span.span_id.hex())
                rows.append((*ids, span.name, span.start_ns, span.duration_ns, *summary))
                attributes.append({**found.attributes, **span.attributes})
    own: dict[str, pa.Array[Any]] = {
        name: pa.array([row[at] for row in rows], type_) for at, (name, type_) in enumerate(_SPAN_COLUMNS)
    }
    return pa.table(own | _columns(attributes, own))


def _points(found: Sequence[Series], steps: Steps) -> pa.Table:
    rows = [
        (dict(series.labels), steps.last_ns if steps.instant else steps.first_ns + at * steps.step_ns, value)
        for series in found
        for at, value in enumerate(series.values)
        if value is not None
    ]
    own: dict[str, pa.Array[Any]] = {
        "time": pa.array([time for _, time, _ in rows], _NANOSECONDS),
        "value": pa.array([value for _, _, value in rows], pa.float64()),
    }
    return pa.table(_columns([labels for labels, _, _ in rows], own) | own)


def _columns(rows: Sequence[Mapping[str, Any]], taken: Iterable[str]) -> "dict[str, pa.Array[Any]]":
    """Make a column of each key that is not taken; values of several types become text."""
    others = set(taken)
    keys = dict.fromkeys(key for row in rows for key in row if key not in others)
    return {key: _column([row.get(key) for row in rows]) for key in keys}


def _column(values: Sequence[Any]) -> "pa.Array[Any]":
    try:
        column: pa.Array[Any] = pa.array(values)
        return column
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
