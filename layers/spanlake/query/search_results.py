"""Results of a search, read from the spans of a few traces."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.candidates import over
from spanlake.query.compile.columns import AttributeSchema
from spanlake.query.compile.fields import FieldCompiler
from spanlake.query.compile.results import ResultAttribute, columns_of
from spanlake.query.compile.spansets import SearchPlan, SetAttribute
from spanlake.query.compile.sql import TypedSql
from spanlake.query.engine.session import Session
from spanlake.spans.arrow import as_array, int32, int64, string
from spanlake.spans.parents import ends
from spanlake.traceql import ast
from spanlake.traceql.literals import format_duration

NO_ROOT = "<root span not yet received>"

_LAST_NS = 2**63 - 1
_BATCH = 4096  # rows that are Python objects at once


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
    """The headers of some traces, from a table with all spans of them."""
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
        yield _header(trace_id, rows, roots.get(trace_id, (NO_ROOT, "")))


def _roots(table: pa.Table, spans: pa.Table) -> dict[bytes, tuple[str, str]]:
    """The service and the name of the first root of each trace that has one."""
    roots = table.filter(pc.is_null(spans["parent_span_id"]))
    ordered = roots.sort_by([(name, "ascending") for name in ("start", "span_id", "name", "service")])
    first = ordered.group_by("trace_id", use_threads=False).aggregate([("service", "first"), ("name", "first")])
    return {row["trace_id"]: (row["service_first"], row["name_first"]) for row in first.to_pylist()}


def _header(trace_id: bytes, services: list[dict[str, Any]], root: tuple[str, str]) -> TraceSummary:
    return TraceSummary(
        trace_id,
        min(row["start_min"] for row in services),
        max(row["end_max"] for row in services),
        *root,
        {row["service"]: ServiceStats(row["count_all"], row["error_sum"]) for row in services},
    )


def read_spansets(session: Session, plan: SearchPlan, known: AttributeSchema, most: int) -> dict[bytes, list[SpanSet]]:
    """The matching span sets of the traces in the table ``spans``, each cut to the ``most`` first spans if not 0."""
    fields = FieldCompiler(known)
    shown = plan.result_attributes(fields)
    base = [fields.column(name) for name in ("trace_id", "span_id", "name", "start_time_unix_nano", "duration_nano")]
    matching, attributes = plan.select_sets(fields, [*base, *columns_of(shown, "shown")])
    groups = [part.sql.copy() for found in attributes if found.is_group for part in found.columns]
    partition = [exp.column("trace_id"), *groups]
    first = [exp.Ordered(this=exp.column(name)) for name in ("start_time_unix_nano", "span_id")]
    place = exp.Window(this=exp.RowNumber(), partition_by=partition, order=exp.Order(expressions=first))
    matched = exp.Window(this=exp.Count(this=exp.Star()), partition_by=partition)
    query = exp.select(exp.Star(), exp.alias_(matched, "matched"), exp.alias_(place, "place"))
    query = query.order_by(exp.column("trace_id"), *groups, exp.column("place"), copy=False)
    if most:
        query.qualify(exp.LTE(this=exp.column("place"), expression=exp.Literal.number(most)), copy=False)
    table = session.run(over(session, query, matching, lambda query: query, large=False))
    return _grouped(table, shown, attributes, session.check)


def _grouped(
    table: pa.Table, shown: list[ResultAttribute], attributes: list[SetAttribute], check: Callable[[], None]
) -> dict[bytes, list[SpanSet]]:
    found: dict[bytes, list[SpanSet]] = {}
    spans: list[SpanResult] = []
    for batch in table.to_batches(max_chunksize=_BATCH):
        check()
        for row in batch.to_pylist():
            if row["place"] == 1:
                spans = []
                sets = found.setdefault(row["trace_id"], [])
                sets.append(SpanSet(spans, row["matched"], _set_attributes(row, attributes)))
            spans.append(_span(row, shown))
    return found


def _set_attributes(row: Mapping[str, Any], attributes: list[SetAttribute]) -> dict[str, Any]:
    return {found.key: _set_value(row, found) for found in attributes}


def _set_value(row: Mapping[str, Any], found: SetAttribute) -> Any:
    value = first_named((part, row[part.sql.name]) for part in found.columns)
    return "nil" if value is None else value


def _span(row: Mapping[str, Any], shown: list[ResultAttribute]) -> SpanResult:
    attributes: dict[str, Any] = {}
    for n, item in enumerate(shown):
        value = _result_value(row, n, item)
        if value is not None:
            attributes[item.key] = value
    duration = max(row["duration_nano"], 0)
    return SpanResult(row["span_id"], row["name"], row["start_time_unix_nano"], duration, attributes)


def _result_value(row: Mapping[str, Any], n: int, item: ResultAttribute) -> Any:
    if item.items is None:
        return first_named((part, row[f"shown{n}_{k}"]) for k, part in enumerate(item.parts))
    every = [_of_struct(item.parts, one) for one in row[f"shown{n}"] or ()]
    there = [value for value in every if value is not None]
    return there[0] if len(there) == 1 else there or None


def _of_struct(parts: Sequence[TypedSql], one: Mapping[str, Any] | None) -> Any:
    return None if one is None else first_named(zip(parts, one.values(), strict=True))


def first_named(found: Iterable[tuple[TypedSql, Any]]) -> Any:
    """The value among those of several types, as results write it; None where there is none."""
    for part, value in found:
        if value is not None:
            return [render_value(part.type, item) for item in value] if part.is_list else render_value(part.type, value)
    return None


def render_value(type_: ast.Type | None, value: Any) -> Any:
    """A value as results write it: enums by name, durations with their unit, of OTLP JSON what it says."""
    if type_ is None:
        return of_json(json.loads(value))
    if type_ is ast.Type.STATUS:
        return ast.Status(value).name.lower() if value in iter(ast.Status) else str(value)
    if type_ is ast.Type.KIND:
        return ast.Kind(value).name.lower() if value in iter(ast.Kind) else str(value)
    return format_duration(value) if type_ is ast.Type.DURATION else value


_NOTHING: tuple[str, Any] = ("", None)


def of_json(value: Mapping[str, Any]) -> Any:
    """The value of an OTLP AnyValue in JSON: a list, a map, or what it holds; bytes in base64."""
    kind, held = next(iter(value.items()), _NOTHING)
    if kind == "arrayValue":
        return [of_json(item) for item in held.get("values", ())]
    if kind == "kvlistValue":
        return {entry["key"]: of_json(entry.get("value", {})) for entry in held.get("values", ())}
    if kind == "intValue":
        return int(held)
    return float(held) if kind == "doubleValue" else held
