"""What a search found, read from the spans of a few traces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.finder import over
from spanlake.traceql.durations import format_duration
from spanlake.traceql.fields import Fields
from spanlake.traceql.known import Known
from spanlake.traceql.pipeline import SearchPlan, SetAttribute
from spanlake.traceql.shown import Shown, columns_of
from spanlake.traceql.tree import Kind, Status, Type

NO_ROOT = "<root span not yet received>"

_SERVICES = """
    SELECT trace_id, COALESCE(service_name, '') AS service, COUNT(*) AS spans,
      COUNT(*) FILTER (WHERE status_code = 2) AS errors,
      MIN(start_time_unix_nano) AS start_ns,
      MAX(start_time_unix_nano
        + LEAST(GREATEST(duration_nano, 0), 9223372036854775807 - start_time_unix_nano)) AS end_ns,
      MAX(arrival) FILTER (WHERE parent_span_id IS NULL) AS root_arrival,
      MAX_BY(name, arrival) FILTER (WHERE parent_span_id IS NULL) AS root_name
    FROM spans GROUP BY trace_id, service
"""


@dataclass(frozen=True)
class ServiceStats:
    """How many spans of a trace a service has, and how many of them failed."""

    spans: int
    errors: int


@dataclass(frozen=True)
class Header:
    """What is shown of a trace as a whole; times in Unix nanoseconds."""

    trace_id: bytes
    start_ns: int
    end_ns: int
    root_service: str
    root_name: str
    services: Mapping[str, ServiceStats]


@dataclass(frozen=True)
class FoundSpan:
    """A matching span; ``attributes`` are those a result shows."""

    span_id: bytes
    name: str
    start_ns: int
    duration_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class SpanSet:
    """Spans that match together: ``matched`` in all, of which some are shown."""

    spans: tuple[FoundSpan, ...]
    matched: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class FoundTrace:
    """A trace with what matched in it."""

    header: Header
    sets: tuple[SpanSet, ...]


def read_headers(session: Session) -> Iterator[Header]:
    """The headers of the traces in the table ``spans``."""
    services: dict[bytes, list[dict[str, Any]]] = {}
    for row in session.fixed(_SERVICES).to_pylist():
        services.setdefault(row["trace_id"], []).append(row)
    for trace_id, rows in services.items():
        yield _header(trace_id, rows)


def _header(trace_id: bytes, services: list[dict[str, Any]]) -> Header:
    roots = [row for row in services if row["root_arrival"] is not None]
    root = max(roots, key=itemgetter("root_arrival"), default={"service": NO_ROOT, "root_name": ""})
    return Header(
        trace_id,
        min(row["start_ns"] for row in services),
        max(row["end_ns"] for row in services),
        root["service"],
        root["root_name"],
        {row["service"]: ServiceStats(row["spans"], row["errors"]) for row in services},
    )


def read_spansets(session: Session, plan: SearchPlan, known: Known, most: int) -> dict[bytes, list[SpanSet]]:
    """The matching span sets of the traces in the table ``spans``, each cut to the ``most`` first spans if not 0."""
    fields = Fields(known)
    shown, attributes = plan.shown(fields), plan.set_attributes(fields)
    base = [fields.column(name) for name in ("trace_id", "span_id", "name", "start_time_unix_nano", "duration_nano")]
    matching = plan.select(fields, [*base, *columns_of(shown, "shown")])
    groups = [exp.column(name) for found in attributes if found.is_group for _, name in found.columns]
    partition = [exp.column("trace_id"), *groups]
    first = [exp.Ordered(this=exp.column(name)) for name in ("start_time_unix_nano", "span_id")]
    place = exp.Window(this=exp.RowNumber(), partition_by=partition, order=exp.Order(expressions=first))
    matched = exp.Window(this=exp.Count(this=exp.Star()), partition_by=partition)
    query = exp.select(exp.Star(), exp.alias_(matched, "matched"), exp.alias_(place, "place"))
    query = query.order_by(exp.column("trace_id"), *groups, exp.column("place"), copy=False)
    if most:
        query.qualify(exp.LTE(this=exp.column("place"), expression=exp.Literal.number(most)), copy=False)
    rows = session.table(over(session, query, matching, lambda query: query, large=False)).to_pylist()
    return _grouped(rows, shown, attributes)


def _grouped(
    rows: list[dict[str, Any]], shown: list[Shown], attributes: list[SetAttribute]
) -> dict[bytes, list[SpanSet]]:
    found: dict[bytes, list[SpanSet]] = {}
    for row in rows:
        sets = found.setdefault(row["trace_id"], [])
        span = _span(row, shown)
        if row["place"] == 1:
            sets.append(SpanSet((span,), row["matched"], _set_attributes(row, attributes)))
        else:
            sets[-1] = replace(sets[-1], spans=(*sets[-1].spans, span))
    return found


def _set_attributes(row: Mapping[str, Any], attributes: list[SetAttribute]) -> dict[str, Any]:
    return {found.key: _set_value(row, found) for found in attributes}


def _set_value(row: Mapping[str, Any], found: SetAttribute) -> Any:
    for type_, name in found.columns:
        if row[name] is not None:
            return named(type_, row[name])
    return "nil"


def _span(row: Mapping[str, Any], shown: list[Shown]) -> FoundSpan:
    attributes: dict[str, Any] = {}
    for n, item in enumerate(shown):
        value = _shown_value(row, n, item)
        if value is not None:
            attributes[item.key] = value
    return FoundSpan(row["span_id"], row["name"], row["start_time_unix_nano"], row["duration_nano"], attributes)


def _shown_value(row: Mapping[str, Any], n: int, item: Shown) -> Any:
    for k, part in enumerate(item.parts):
        value = row[f"shown{n}_{k}"]
        if value is None or (part.is_list and not value):
            continue
        if part.is_list:
            return value if len(value) > 1 else value[0]
        return named(part.type, value)
    return "nil" if item.nil is not None and row[f"shown{n}_nil"] else None


def named(type_: Type, value: Any) -> Any:
    """A value as results write it: enums by name, durations with their unit."""
    if type_ is Type.STATUS:
        return Status(value).name.lower() if value in iter(Status) else str(value)
    if type_ is Type.KIND:
        return Kind(value).name.lower() if value in iter(Kind) else str(value)
    return format_duration(value) if type_ is Type.DURATION else value
