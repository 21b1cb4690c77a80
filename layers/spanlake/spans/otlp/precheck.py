"""Recognizes requests of which every span will be stored, before they are decoded.

It reads the envelope and the spans' own fields, not their attributes, events and links: damage in these is repaired
and costs no span. What it has read is the first step of decoding (see ``decode.decode_checked``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.otlp import nesting, wire
from spanlake.spans.otlp.limits import Limits, TooMuch
from spanlake.spans.otlp.protobuf import WireError
from spanlake.spans.schema import SPAN_ID, TRACE_ID

MOST_DAYS = 32
"""Limit on UTC days on which the spans of one request started: each day makes a file."""
_DAY_NS = 86_400 * 10**9
NO_DAYS = (1, 0)


@dataclass(frozen=True, slots=True)
class AcceptedTimes:
    """The range of start times of accepted spans, in Unix nanoseconds; its bounds are inside."""

    oldest_ns: int
    newest_ns: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Requests whose spans are all valid, decoded down to the fields of spans."""

    resource_spans: Array
    """A list for each request."""
    spans: dict[str, Array]
    spans_per_request: list[int]
    size: int
    """Bytes of the requests."""
    days: tuple[int, int]
    """The first and the last UTC day on which spans started, since 1970; (1, 0) without spans."""

    @classmethod
    def concat(cls, parts: "Sequence[Checked]") -> "Checked":
        """Join requests in order."""
        if len(parts) == 1:
            return parts[0]
        filled = [part.spans for part in parts if part.spans]
        days = [part.days for part in parts if part.spans]
        return cls(
            pa.concat_arrays([part.resource_spans for part in parts]),
            {name: pa.concat_arrays([spans[name] for spans in filled]) for name in (filled[0] if filled else ())},
            [count for part in parts for count in part.spans_per_request],
            sum(part.size for part in parts),
            (min(first for first, _ in days), max(last for _, last in days)) if days else NO_DAYS,
        )


def check(requests: Sequence[bytes], times: AcceptedTimes) -> Checked | None:
    """Read ExportTraceServiceRequests if all of their spans are valid as they are; None otherwise.

    None also stands for what cannot be told without decoding: damaged messages, and fields of older versions of OTLP.
    """
    try:
        nesting.check(requests)
        opened = wire.decode("Request", requests)["resource_spans"]
        resources = opened.flatten()
        if len(resources.field("instrumentation_library_spans").flatten()):
            return None
        by_resource = resources.field("scope_spans")
        scopes = by_resource.flatten()
        by_scope = scopes.field("spans")
        payloads = by_scope.flatten()
        _check_sizes(requests, len(resources), len(scopes), len(payloads))
        ends = by_scope.offsets.take(by_resource.offsets.take(opened.offsets))
        counts: list[int] = pc.pairwise_diff(ends).slice(1).to_pylist()
        spans = wire.decode("Span", payloads) if len(payloads) else {}
    except (WireError, TooMuch):
        return None
    days = _days(spans, times) if spans else NO_DAYS
    return None if days is None else Checked(opened, spans, counts, sum(map(len, requests)), days)


def _check_sizes(requests: Sequence[bytes], resources: int, scopes: int, spans: int) -> None:
    limits = Limits.of(requests)
    for kind, count in (("resources", resources), ("scopes", scopes), ("spans", spans)):
        limits.check(kind, count, smallest=32)


def _days(spans: dict[str, Array], times: AcceptedTimes) -> tuple[int, int] | None:
    """Return the first and the last day of spans; None when a span is not valid, or when they lie on too many days."""
    start = spans["start_time_unix_nano"]
    earliest, latest = (bound.as_py() for bound in pc.min_max(start.view(pa.uint64())).values())
    days = earliest // _DAY_NS, latest // _DAY_NS
    is_valid = (
        times.oldest_ns <= earliest
        and latest <= times.newest_ns
        and days[1] - days[0] < MOST_DAYS
        and _are_ids(spans["trace_id"], TRACE_ID)
        and _are_ids(spans["span_id"], SPAN_ID)
    )
    return days if is_valid else None


def _are_ids(ids: Array, length: int) -> bool:
    sizes: Array = pc.binary_length(ids)
    lengths = pc.min_max(sizes)
    zeros: Array = pc.equal(ids, pa.scalar(bytes(length), pa.binary()))
    return lengths["min"].as_py() == length == lengths["max"].as_py() and not zeros.true_count
