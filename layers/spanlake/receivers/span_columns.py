"""Columns of spans from protocols that are protobuf themselves, written as ExportTraceServiceRequests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.receivers import otlp_columns
from spanlake.receivers.otlp_rows import Export
from spanlake.spans.arrow import Array, int64, runs_of

_SPAN = b"\x12"


@dataclass(frozen=True, slots=True)
class SpanColumns:
    """The fields of OTLP's Span, a row for each span. There are no NULLs."""

    trace_id: Array
    span_id: Array
    name: Array
    """Names as binary, UTF-8."""
    start_ns: Array
    end_ns: Array
    """Ends as int64 with the bits of OTLP's fixed64."""
    others: Sequence[Array]
    """All other fields, encoded."""

    def encode(self) -> Array:
        """Encode the spans as fields of ScopeSpans."""
        spans = otlp_columns.joined(
            *otlp_columns.delimited(b"\x0a", self.trace_id),
            *otlp_columns.delimited(b"\x12", self.span_id),
            *otlp_columns.delimited(b"\x2a", self.name),
            otlp_columns.constant(b"\x39"),
            otlp_columns.eight_bytes(self.start_ns),
            otlp_columns.constant(b"\x41"),
            otlp_columns.eight_bytes(self.end_ns),
            *self.others,
        )
        return otlp_columns.joined(*otlp_columns.delimited(_SPAN, spans))


@dataclass(frozen=True, slots=True)
class Owners:
    """The resources, or scopes, of spans."""

    messages: Sequence[bytes]
    """The distinct messages."""
    code: Array
    """For each span the number of its message (int32)."""


def export(spans: SpanColumns, request: Array, requests: int, resources: Owners, scopes: Owners) -> list[bytes]:
    """Write ``requests`` requests, each with the spans whose value in ``request`` (int64, ascending) is its number.

    Spans with the same resource and scope keep their order.
    """
    exports = [Export() for _ in range(requests)]
    for number, resource, scope, encoded in _by_owner(spans.encode(), request, resources, scopes):
        exports[number].extend(resource, scope, encoded)
    return [each.to_bytes() for each in exports]


def _by_owner(
    encoded: Array, request: Array, resources: Owners, scopes: Owners
) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    owner = pc.add(pc.multiply(request, int64(len(resources.messages))), resources.code)
    owner = pc.add(pc.multiply(owner, int64(len(scopes.messages))), scopes.code)
    order = pc.array_sort_indices(owner)  # stable
    runs = runs_of(owner.take(order))
    bounds = pa.concat_arrays([pa.array([0], pa.int32()), runs.run_ends])
    together: Array = pc.binary_join(pa.ListArray.from_arrays(bounds, encoded.take(order)), otlp_columns.NOTHING)
    for number, spans in zip(runs.values.to_pylist(), together.to_pylist(), strict=True):
        rest, scope = divmod(number, len(scopes.messages))
        found, resource = divmod(rest, len(resources.messages))
        yield found, resources.messages[resource], scopes.messages[scope], spans
