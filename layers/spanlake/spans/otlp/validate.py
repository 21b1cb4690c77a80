"""Validation of spans: which are rejected, and the reasons told to the sender."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32, numbers, string, struct_of
from spanlake.spans.otlp.decode import Decoded
from spanlake.spans.schema import SPAN_ID, TRACE_ID

REASONS: Mapping[str, str] = {
    "invalid_trace_id": "the trace id is missing, all zero, longer than 16 bytes or not readable",
    "invalid_span_id": "the span id is missing, all zero, longer than 8 bytes or not readable",
    "invalid_start_time": "the start is not a number of nanoseconds since 1970",
    "too_old": "the span started before the retention period: raise --retention to keep such spans",
    "too_new": "the span starts more than a day ahead of this server: check the sender's clock",
    "malformed": "the span cannot be read: check the exporter that wrote it",
}
"""Explanations by reason. The reasons are also label values of a metric, so there are few of them."""


def explain(rejected: Mapping[str, int]) -> str:
    """Explain how many spans were not stored, and why; empty when all were stored."""
    if not rejected:
        return ""
    total = sum(rejected.values())
    spans = "1 span was" if total == 1 else f"{total} spans were"
    reasons = "; ".join(f"{REASONS.get(reason, reason)} ({count})" for reason, count in sorted(rejected.items()))
    return f"{spans} not stored: {reasons}"


_JUDGED = ("trace_id", "span_id", "start_time_unix_nano")


@dataclass(frozen=True, slots=True)
class Validated:
    """The spans that can be kept, and the counts of all others by request and reason."""

    table: pa.Table
    rejected: list[Counter[str]]


def validate(decoded: Decoded, *, oldest_ns: int | None, newest_ns: int) -> Validated:
    """Remove spans with invalid ids and spans that start outside a range of times; its bounds are inside.

    Times are Unix nanoseconds; without ``oldest_ns`` any age is accepted. A span with several faults counts for the
    first of: ``malformed`` (not readable), ``invalid_trace_id`` (not 1 to 16 bytes, or all zero), ``invalid_span_id``
    (not 1 to 8 bytes, or all zero), ``too_old``, ``too_new``.
    """
    faults = _unreadable(decoded) | _faults(decoded.table, oldest_ns, newest_ns)
    if not any(is_faulty.true_count for is_faulty in faults.values()):
        return Validated(decoded.table, [Counter() for _ in decoded.spans_per_request])
    reason: Array = pc.case_when(struct_of(faults), *map(string, faults))
    bounds = pairwise(accumulate(decoded.spans_per_request, initial=0))
    rejected = [_count(reason.slice(start, end - start)) for start, end in bounds]
    return Validated(decoded.table.filter(reason.is_null()), rejected)


def _unreadable(decoded: Decoded) -> dict[str, Array]:
    if not decoded.unreadable:
        return {}
    rows = pa.array(sorted(decoded.unreadable), pa.int64())
    return {"malformed": pc.is_in(numbers(decoded.table.num_rows), value_set=rows)}


def _faults(table: pa.Table, oldest_ns: int | None, newest_ns: int) -> dict[str, Array]:
    """Return for each fault an array that is True for the spans that have it."""
    trace_id, span_id, start = (_column(table, name) for name in _JUDGED)
    start = start.view(pa.uint64())
    return {
        "invalid_trace_id": _is_no_id(trace_id, TRACE_ID),
        "invalid_span_id": _is_no_id(span_id, SPAN_ID),
        "too_old": pc.less(start, pa.scalar(oldest_ns or 0, pa.uint64())),
        "too_new": pc.greater(start, pa.scalar(newest_ns, pa.uint64())),
    }


def _column(table: pa.Table, name: str) -> Array:
    return table.column(name).combine_chunks()


def _is_no_id(ids: Array, length: int) -> Array:
    """Return True for ids that are empty, too long or all zero; shorter ones are padded already."""
    is_wrong = pc.not_equal(pc.binary_length(ids), int32(length))
    return pc.or_(is_wrong, pc.equal(ids, pa.scalar(bytes(length), pa.binary())))


def _count(reasons: Array) -> Counter[str]:
    counted = reasons.drop_null().value_counts()
    return Counter(dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)))
