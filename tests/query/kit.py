"""A small lake to ask: spans written in a line each, stored as real blocks, queried through real DuckDB."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.limits import Limits
from spanlake.query.plan import plan_metrics, plan_search
from spanlake.query.querier import ALWAYS, Querier
from spanlake.query.search import Order, Ranking, Search
from spanlake.query.search_results import TraceResult
from spanlake.query.series import Series
from spanlake.query.time_range import Steps, TimeRange
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import Block
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from spanlake.traceql import SizeLimits, parse, validate
from spanlake.traceql.parser import parse_identifier
from tests.any_values import key_values

NOON = 1_795_348_800 * 10**9  # 2026-11-22, 12:00 UTC
MS = 10**6
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
TENANT = "kit"

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class At:
    """A span: ``id`` and ``parent`` are numbers, 0 is no parent; ``start`` is in nanoseconds after NOON."""

    id: int
    parent: int = 0
    name: str = ""
    trace: int = 1
    start: int = 0
    length: int = MS
    status: int | None = None
    kind: int = 0
    message: str = ""
    service: str | None = "shop"
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope: Attributes = field(default_factory=dict)
    events: Sequence[tuple[str, int, Attributes]] = ()  # name, nanoseconds after the span's start, attributes
    links: Sequence[tuple[int, int, Attributes]] = ()  # trace, span, attributes

    @property
    def called(self) -> str:
        """Its name, by default its number."""
        return self.name or str(self.id)


def trace_id(number: int) -> bytes:
    """The id of a trace of that number."""
    return number.to_bytes(16)


def one_of(trace: int, n: int, start: int, *, fails: bool, number: int) -> At:
    """The ``n``-th span of a trace, whose first is its root; name and length are those of all its spans."""
    name, length = "odd" if trace % 2 else "even", trace % 5 * SECOND
    of_root = trace * 10
    return At(
        of_root + n,
        of_root if n else 0,
        trace=trace,
        name=name,
        start=start,
        length=length,
        status=2 if fails else None,
        attributes={"n": number},
    )


def _span(one: At) -> Span:
    start = NOON + one.start
    span = Span(
        trace_id=trace_id(one.trace),
        span_id=one.id.to_bytes(8),
        parent_span_id=one.parent.to_bytes(8) if one.parent else b"",
        name=one.called,
        kind=one.kind,  # type: ignore[arg-type]  # any number is valid
        start_time_unix_nano=start,
        end_time_unix_nano=(start + one.length) % 2**64,
        attributes=key_values(one.attributes),
    )
    if one.status is not None or one.message:
        span.status.CopyFrom(Status(code=one.status or 0, message=one.message))  # type: ignore[arg-type]
    for name, after, attributes in one.events:
        time = (start + after) % 2**64
        span.events.add(name=name, time_unix_nano=time, attributes=key_values(attributes))
    for trace, id_, attributes in one.links:
        span.links.add(trace_id=trace_id(trace), span_id=id_.to_bytes(8), attributes=key_values(attributes))
    return span


def request(spans: Iterable[At]) -> bytes:
    """OTLP's bytes of spans, in this order."""
    message = ExportTraceServiceRequest()
    for one in spans:
        part = ResourceSpans()
        service = {} if one.service is None else {"service.name": one.service}
        part.resource.attributes.extend(key_values({**service, **one.resource}))
        inner = part.scope_spans.add()
        inner.scope.attributes.extend(key_values(one.scope))
        inner.spans.append(_span(one))
        message.resource_spans.append(part)
    return message.SerializeToString()


class Lake:
    """Blocks in a directory, and what can be asked of them. Times are nanoseconds after NOON."""

    def __init__(self, directory: Path, limits: Limits | None = None, index: SqliteIndex | None = None) -> None:
        self.objects = LocalObjects(directory)
        self.index = index or SqliteIndex(directory / "index.sqlite")
        self.duck = DuckDB([str(directory.resolve())], limits or Limits(threads=1))
        self.querier = Querier(self.index, self.objects, self.duck, SizeLimits())
        self._writes = 0

    def use(self, **parts: Any) -> None:
        """Have the querier made of other parts: takes its fields, such as ``policy``."""
        self.querier = replace(self.querier, **parts)

    def close(self) -> None:
        """Release what it holds."""
        self.duck.close()
        self.index.close()

    def add(self, *spans: At, tenant: str = TENANT) -> list[Block]:
        """Store spans as one block, or one for each UTC day."""
        return self.add_table(decode([request(spans)]).table, tenant)

    def add_apart(self, *spans: At, tenant: str = TENANT) -> None:
        """Store every span as a block of its own."""
        for one in spans:
            self.add(one, tenant=tenant)

    def add_table(self, table: pa.Table, tenant: str = TENANT) -> list[Block]:
        """Store a span table."""
        self._writes += 1
        return write(self.objects, self.index, tenant, table, self._writes.to_bytes(8))

    def search(self, q: str, **wanted: Any) -> list[TraceResult]:
        """Returns the traces that a search finds; takes the fields of ``Search`` but the plan, and ``tenant``."""
        when = TimeRange(
            NOON + wanted["start"] if "start" in wanted else ALWAYS.start_ns,
            NOON + wanted["end"] if "end" in wanted else ALWAYS.end_ns,
        )
        search = Search(
            plan_search(validate(parse(q))),
            when.start_ns,
            when.end_ns,
            wanted.get("limit", 1000),
            wanted.get("spans", 0),
            Ranking(wanted.get("order", Order.START), wanted.get("ascending", False)),
        )
        return self.querier.search(wanted.get("tenant", TENANT), search)

    def traces(self, q: str, **wanted: Any) -> list[int]:
        """The numbers of the traces that a search finds, in its order."""
        return [int.from_bytes(found.header.trace_id) for found in self.search(q, **wanted)]

    def names(self, q: str, **wanted: Any) -> list[str]:
        """The names of all spans that a search finds, in alphabetical order."""
        found = self.search(q, **wanted)
        return sorted(span.name for trace in found for spans in trace.sets for span in spans.spans)

    def values(self, tag: str, q: str = "", tenant: str = TENANT, when: TimeRange = ALWAYS) -> list[tuple[str, str]]:
        """The values of a tag with their types, sorted."""
        found = self.querier.tag_values(tenant, [parse_identifier(tag)], q, when)
        return sorted((value.type, value.value) for value in found)

    def tags(self, scope: str = "", q: str = "", tenant: str = TENANT) -> dict[str, list[str]]:
        """The names of tags by scope."""
        return self.querier.tag_names(tenant, scope, q)

    def series(self, q: str, steps: Steps, tenant: str = TENANT) -> dict[Any, tuple[float | None, ...]]:
        """The values of a metrics query's series by their labels' values."""
        lines = self.lines(q, steps, tenant)
        return {tuple(hashable(value) for _, value in one.labels): one.values for one in lines}

    def lines(self, q: str, steps: Steps, tenant: str = TENANT, exemplars: int = 0) -> list[Series]:
        """The series of a metrics query."""
        plan = plan_metrics(validate(parse(q)))
        return self.querier.metrics(tenant, plan, steps, exemplars=exemplars)


def hashable(value: Any) -> Any:
    """The value of a label, a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def steps(start: int, end: int, step: int) -> Steps:
    """Points of a range after NOON."""
    return Steps.aligned(NOON + start, NOON + end, step, 20_000)
