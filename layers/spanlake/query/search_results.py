"""Results of a search, read from the spans of a few traces."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.compile.outputs import FieldColumns, Role, ValueColumn
from spanlake.query.compile.search import SpanSetQuery
from spanlake.query.compile.stages import SetAttribute
from spanlake.query.engine.inputs import run
from spanlake.query.engine.session import Session
from spanlake.spans.arrow import Array, as_array, int32, int64, numbers, string
from spanlake.spans.parents import ends
from spanlake.traceql import ast
from spanlake.traceql.literals import format_duration

NO_ROOT = "<root span not yet received>"

_LAST_NS = 2**63 - 1
_BATCH = 4096  # rows that are Python objects at once
_SET_ORDER = ("trace_id", "start_time_unix_nano", "span_id")


@dataclass(frozen=True)
class ServiceStats:
    """Number of spans that a service has in a trace, and of those that failed."""

    spans: int
    errors: int


@dataclass(frozen=True)
class TraceSummary:
    """Summary of a trace; times in Unix nanoseconds."""

    trace_id: bytes
    start_ns: int
    end_ns: int
    root_service: str
    root_name: str
    services: Mapping[str, ServiceStats]


@dataclass(frozen=True)
class SpanResult:
    """A matching span; ``attributes`` are those a result shows."""

    span_id: bytes
    name: str
    start_ns: int
    duration_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class SpanSet:
    """Spans that match together: ``matched`` in all, of which some are shown."""

    spans: Sequence[SpanResult]
    matched: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class TraceResult:
    """A trace with what matched in it."""

    header: TraceSummary
    sets: tuple[SpanSet, ...]


def read_summaries(spans: pa.Table, trace_ids: Iterable[bytes]) -> Iterator[TraceSummary]:
    """Yield the headers of some traces, from a table with all spans of them."""
    spans = spans.filter(pc.is_in(spans["trace_id"], value_set=pa.array(trace_ids, pa.binary()))).combine_chunks()
    start, duration = (as_array(spans[name]) for name in ("start_time_unix_nano", "duration_nano"))
    columns = {
        "trace_id": spans["trace_id"],
        "service": pc.fill_null(spans["service_name"], string("")),
        "error": pc.fill_null(pc.equal(spans["status_code"], int32(ast.Status.ERROR)), pa.scalar(False)),
        "start": start,
        "end": ends(start, pc.min_element_wise(duration, pc.subtract(int64(_LAST_NS), start))),
    }
    figures: Any = [([], "count_all"), ("error", "sum"), ("start", "min"), ("end", "max")]
    table = pa.table(columns)
    services: dict[bytes, list[dict[str, Any]]] = {}
    for row in table.group_by(["trace_id", "service"]).aggregate(figures).to_pylist():
        services.setdefault(row["trace_id"], []).append(row)
    roots = _roots(table.append_column("span_id", spans["span_id"]).append_column("name", spans["name"]), spans)
    for trace_id, rows in services.items():
        yield TraceSummary(
            trace_id,
            min(row["start_min"] for row in rows),
            max(row["end_max"] for row in rows),
            *roots.get(trace_id, (NO_ROOT, "")),
            {row["service"]: ServiceStats(row["count_all"], row["error_sum"]) for row in rows},
        )


def _roots(table: pa.Table, spans: pa.Table) -> dict[bytes, tuple[str, str]]:
    """Return the service and the name of the first root of each trace that has one."""
    roots = table.filter(pc.is_null(spans["parent_span_id"]))
    ordered = roots.sort_by([(name, "ascending") for name in ("start", "span_id", "name", "service")])
    first = ordered.group_by("trace_id", use_threads=False).aggregate([("service", "first"), ("name", "first")])
    return {row["trace_id"]: (row["service_first"], row["name_first"]) for row in first.to_pylist()}


def read_spansets(session: Session, query: SpanSetQuery, spans: pa.Table) -> dict[bytes, list[SpanSet]]:
    """Return the matching span sets by trace, given all spans of some traces."""
    found: dict[bytes, list[SpanSet]] = {}
    shown: list[SpanResult] = []
    for batch in _matching(session, query, spans).to_batches(max_chunksize=_BATCH):
        session.check()
        for row in batch.to_pylist():
            if row[Role.PLACE] == 1:
                shown = []
                attributes = _set_attributes(row, query.set_attributes)
                found.setdefault(row["trace_id"], []).append(SpanSet(shown, row[Role.MATCHED], attributes))
            shown.append(_span(row, query.attributes))
    return found


def _matching(session: Session, query: SpanSetQuery, spans: pa.Table) -> pa.Table:
    """Return the matching spans, those of a set one after the other by their PLACE."""
    if query.compiled is not None:
        return run(session, query.compiled, spans)
    shown = [*sorted(query.columns), *(column.alias for column in query.computed if column.alias != Role.FOUND)]
    found = spans.filter(pc.field(Role.FOUND)).select(shown)
    placed = _placed(found.sort_by([(name, "ascending") for name in _SET_ORDER]))
    most = min(query.spans_per_set, placed.num_rows)  # however large a number was asked for
    return placed.filter(pc.field(Role.PLACE) <= most) if query.spans_per_set else placed


def _placed(found: pa.Table) -> pa.Table:
    """Add MATCHED and PLACE to matching spans, of which those of a trace, side by side, are a set."""
    traces: Array = as_array(found["trace_id"]).dictionary_encode().indices
    counts = traces.value_counts().field("counts")
    before = pc.subtract(pc.cumulative_sum(counts), counts)
    place = pc.subtract(numbers(len(traces)), pc.subtract(before, int64(1)).take(traces))
    return found.append_column(Role.MATCHED, counts.take(traces)).append_column(Role.PLACE, place)


def _set_attributes(row: Mapping[str, Any], attributes: Sequence[SetAttribute]) -> dict[str, Any]:
    found = {one.key: read_value(row, one.columns) for one in attributes}
    return {key: "nil" if value is None else value for key, value in found.items()}


def _span(row: Mapping[str, Any], attributes: Iterable[FieldColumns]) -> SpanResult:
    found = ((one.name, _attribute(row, one)) for one in attributes)
    present = {name: value for name, value in found if value is not None}
    duration = max(row["duration_nano"], 0)
    return SpanResult(row["span_id"], row["name"], row["start_time_unix_nano"], duration, present)


def _attribute(row: Mapping[str, Any], one: FieldColumns) -> Any:
    if one.items is None:
        return read_value(row, one.columns)
    structs = (struct for struct in row[one.items] or () if struct is not None)
    every = [_first(zip(one.columns, struct.values(), strict=True)) for struct in structs]
    there = [value for value in every if value is not None]
    return there[0] if len(there) == 1 else there or None


def read_value(row: Mapping[str, Any], columns: Sequence[ValueColumn]) -> Any:
    """Return the value of a field in a row, as results write it; None where there is none."""
    return _first((column, row[column.name]) for column in columns)


def _first(found: Iterable[tuple[ValueColumn, Any]]) -> Any:
    for column, value in found:
        if value is not None:
            type_ = column.type
            return [render_value(type_, item) for item in value] if column.is_list else render_value(type_, value)
    return None


def render_value(type_: ast.Type | None, value: Any) -> Any:
    """Return a value as results write it: enums by name, durations with their unit, of OTLP JSON what it says."""
    if type_ is None:
        return of_json(json.loads(value))
    if type_ is ast.Type.STATUS:
        return ast.Status(value).name.lower() if value in iter(ast.Status) else str(value)
    if type_ is ast.Type.KIND:
        return ast.Kind(value).name.lower() if value in iter(ast.Kind) else str(value)
    return format_duration(value) if type_ is ast.Type.DURATION else value


_NOTHING: tuple[str, Any] = ("", None)


def of_json(value: Mapping[str, Any]) -> Any:
    """Return the value of an OTLP AnyValue in JSON: a list, a map, or what it holds; bytes in base64."""
    kind, held = next(iter(value.items()), _NOTHING)
    if kind == "arrayValue":
        return [of_json(item) for item in held.get("values", ())]
    if kind == "kvlistValue":
        return {entry["key"]: of_json(entry.get("value", {})) for entry in held.get("values", ())}
    if kind == "intValue":
        return int(held)
    return float(held) if kind == "doubleValue" else held
