"""OTLP requests written by columns, for protocols that are protobuf themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.receivers.otlp_rows import LATEST_NS, Export
from spanlake.spans.arrow import Array, int32, int64, lists, runs_of, scatter
from spanlake.spans.otlp.encoded_columns import NOTHING, constant, delimited, eight_bytes, joined


def gathered(values: Array, rows: Array, length: int) -> Array:
    """Join the values of each row; ``rows`` is ascending, and a row may have none."""
    together: Array = pc.binary_join(lists(values, rows, length), NOTHING)
    return together.fill_null(NOTHING)


def placed(values: Array, rows: Array, length: int) -> Array:
    """Place each value at its row; all other rows are empty."""
    choices = pa.concat_arrays([pa.array([b""], pa.binary()), values])
    numbers = pa.arange(1, len(choices)).cast(pa.int32())  # type: ignore[attr-defined]  # the stubs are older
    return choices.take(scatter(numbers, rows, length).fill_null(int32(0)))


def text(values: Array) -> Array:
    """Return values that are UTF-8 unchanged, others with U+FFFD in place of invalid bytes."""
    try:
        values.cast(pa.string())
    except pa.ArrowInvalid:
        codes = values.dictionary_encode()
        readable = [value.decode(errors="replace").encode() for value in codes.dictionary.to_pylist()]
        return pa.array(readable, pa.binary()).take(codes.indices)
    return values


def times(numbers: Array, nanoseconds: int, more: Array | None = None) -> Array:
    """Convert to times in nanoseconds (int64), clamped to the range that can be stored (see ``export.clamped``).

    ``numbers`` counts units of ``nanoseconds``; ``more`` are nanoseconds (int32) to add.
    """
    return _within(_scaled(numbers, nanoseconds, more), 0)


def later(start: Array, numbers: Array, nanoseconds: int, more: Array | None = None) -> Array:
    """Return the times that are this much after, or before, clamped start times."""
    span = _scaled(numbers, nanoseconds, more)
    return _within(pc.add(start, pc.min_element_wise(span, pc.subtract(int64(LATEST_NS), start))), 0)


_ROOM = 1 << 33  # for the nanoseconds beside seconds, at most 32 bits


def _scaled(numbers: Array, nanoseconds: int, more: Array | None) -> Array:
    """Convert to nanoseconds, limited to 64 bits."""
    most = (LATEST_NS - _ROOM) // nanoseconds
    scaled = pc.multiply(_within(numbers, -most, most), int64(nanoseconds))
    return scaled if more is None else pc.add(scaled, more.cast(pa.int64()))


def _within(numbers: Array, least: int, most: int = LATEST_NS) -> Array:
    smallest, largest = pc.min(numbers).as_py(), pc.max(numbers).as_py()
    if smallest is None or (smallest >= least and largest <= most):
        return numbers
    return pc.max_element_wise(pc.min_element_wise(numbers, int64(most)), int64(least))


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
        spans = joined(
            *delimited(b"\x0a", self.trace_id),
            *delimited(b"\x12", self.span_id),
            *delimited(b"\x2a", self.name),
            constant(b"\x39"),
            eight_bytes(self.start_ns),
            constant(b"\x41"),
            eight_bytes(self.end_ns),
            *self.others,
        )
        return joined(*delimited(_SPAN, spans))


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
    together: Array = pc.binary_join(pa.ListArray.from_arrays(bounds, encoded.take(order)), NOTHING)
    for number, spans in zip(runs.values.to_pylist(), together.to_pylist(), strict=True):
        rest, scope = divmod(number, len(scopes.messages))
        found, resource = divmod(rest, len(resources.messages))
        yield found, resources.messages[resource], scopes.messages[scope], spans
