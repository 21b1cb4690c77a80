"""Validation of spans: which are rejected, and the reasons told to the sender."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import (
    Array,
    as_array,
    distinct,
    int32,
    int64,
    list_numbers,
    numbers,
    scatter,
    string,
    struct_of,
)
from spanlake.spans.otlp.decode import Decoded
from spanlake.spans.otlp.precheck import MOST_DAYS
from spanlake.spans.schema import SPAN_ID, TRACE_ID

REASONS: Mapping[str, str] = {
    "invalid_trace_id": "the trace id is missing, all zero, longer than 16 bytes or not readable",
    "invalid_span_id": "the span id is missing, all zero, longer than 8 bytes or not readable",
    "invalid_start_time": "the start is not a number of nanoseconds since 1970",
    "too_old": "the span started before the retention period: raise --retention to keep such spans",
    "too_new": "the span starts more than a day ahead of this server: check the sender's clock",
    "too_many_days": "the spans of one request started on more than 32 days: send them in several requests",
    "request_spans": "the request has more spans than its tenant may send at once: send fewer spans at a time",
    "trace_too_large": "the trace is larger than those of its tenant may be: look for a trace that never ends",
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


_DAY_NS = 86_400 * 10**9

_JUDGED = ("trace_id", "span_id", "start_time_unix_nano")


@dataclass(frozen=True, slots=True)
class Validated:
    """The spans that can be kept, and the counts of all others by request and reason."""

    table: pa.Table
    rejected: list[Counter[str]]
    sizes: Array | None = None
    """Bytes of each span as it was sent, if they are known."""

    def without(self, is_refused: Array, rejected: Sequence[Counter[str]]) -> "Validated":
        """Remove the spans where ``is_refused`` is True, which were counted."""
        is_kept = pc.invert(is_refused)
        sizes = None if self.sizes is None else self.sizes.filter(is_kept)
        return Validated(self.table.filter(is_kept), list(rejected), sizes)

    def spans_per_request(self, decoded: Decoded) -> list[int]:
        """Return the number of spans that are left of each request."""
        return [
            spans - sum(rejected.values())
            for spans, rejected in zip(decoded.spans_per_request, self.rejected, strict=True)
        ]


def validate(
    decoded: Decoded, *, oldest_ns: int | None, newest_ns: int, most_days: int | None = MOST_DAYS
) -> Validated:
    """Remove spans with invalid ids and spans that start outside a range of times; its bounds are inside.

    Times are Unix nanoseconds; without ``oldest_ns`` any age is accepted. A span with several faults counts for the
    first of: ``malformed`` (not readable), ``invalid_trace_id`` (not 1 to 16 bytes, or all zero), ``invalid_span_id``
    (not 1 to 8 bytes, or all zero), ``too_old``, ``too_new``, ``too_many_days`` (not on the latest ``most_days`` days
    on which valid spans of the request started; None is any number).
    """
    faults = _unreadable(decoded) | _faults(decoded.table, oldest_ns, newest_ns)
    is_faultless = not any(is_faulty.true_count for is_faulty in faults.values())
    is_bounded = most_days is None or _spread(decoded.table) < most_days
    if is_faultless and is_bounded:
        return Validated(decoded.table, [Counter() for _ in decoded.spans_per_request], decoded.sizes)
    reason: Array = pc.case_when(struct_of(faults), *map(string, faults))
    bounds = list(pairwise(accumulate(decoded.spans_per_request, initial=0)))
    if most_days is not None and not is_bounded:
        reason = _with_days(reason, _days(decoded.table), bounds, most_days)
    rejected = [_count(reason.slice(start, end - start)) for start, end in bounds]
    return Validated(decoded.table, [], decoded.sizes).without(reason.is_valid(), rejected)


def within_request(validated: Validated, decoded: Decoded, most: int | None) -> Validated:
    """Remove the spans of requests with more spans than ``most``; the whole request is rejected."""
    if most is None or max(decoded.spans_per_request, default=0) <= most:
        return validated
    left = validated.spans_per_request(decoded)
    is_refused = [spans > most for spans in decoded.spans_per_request]
    rejected = [
        found + Counter(request_spans=kept if refused else 0)
        for found, kept, refused in zip(validated.rejected, left, is_refused, strict=True)
    ]
    return validated.without(pa.array(is_refused, pa.bool_()).take(list_numbers(left)), rejected)


@dataclass(frozen=True, slots=True)
class TraceParts:
    """The spans of each trace in each request, and the bytes of them together."""

    traces: list[tuple[bytes, int]]
    """Trace id and bytes of each part."""
    of_span: Array
    """Number of each span's part."""
    requests: Array
    """Number of each span's request."""

    @classmethod
    def of(cls, trace_ids: Array, sizes: Array, spans_per_request: Sequence[int]) -> "TraceParts":
        """Find the parts, in the order of requests."""
        requests = list_numbers(spans_per_request)
        part, first = distinct(trace_ids, requests)
        sums = pa.table({"part": part, "size": sizes}).group_by("part", use_threads=False).aggregate([("size", "sum")])
        size = scatter(sums["size_sum"].combine_chunks(), sums["part"].combine_chunks(), len(first))
        return cls(list(zip(trace_ids.take(first).to_pylist(), size.to_pylist(), strict=True)), part, requests)

    def without(self, validated: Validated, is_accepted: Sequence[bool]) -> Validated:
        """Remove the spans of the parts that are not accepted."""
        if all(is_accepted):
            return validated
        is_refused = pc.invert(pa.array(is_accepted, pa.bool_())).take(self.of_span)
        counts = self.requests.filter(is_refused).value_counts()
        refused = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
        rejected = [
            found + Counter(trace_too_large=refused.get(number, 0)) for number, found in enumerate(validated.rejected)
        ]
        return validated.without(is_refused, rejected)


def _days(table: pa.Table) -> Array:
    """Return the UTC day on which each span started, in days since 1970."""
    return pc.divide(_column(table, "start_time_unix_nano"), int64(_DAY_NS))


def _spread(table: pa.Table) -> int:
    """Return the number of days between the first and the last start."""
    first, last = (bound.as_py() for bound in pc.min_max(table.column("start_time_unix_nano")).values())
    return 0 if first is None else int(last // _DAY_NS - first // _DAY_NS)


def _with_days(reason: Array, days: Array, bounds: Sequence[tuple[int, int]], most: int) -> Array:
    """Add the reason of spans on more days than a request may have; the latest days are kept."""
    valid: Array = pc.if_else(reason.is_null(), days, pa.scalar(None, pa.int64()))
    parts = [_is_on_other_day(valid.slice(start, end - start), most) for start, end in bounds]
    return pc.if_else(pa.concat_arrays(parts), string("too_many_days"), reason)


def _is_on_other_day(days: Array, most: int) -> Array:
    """Return True for the days, NULL for a span that is rejected anyway, that are not among the latest."""
    different: Array = days.drop_null().unique()
    if len(different) <= most:
        return pa.repeat(pa.scalar(False), len(days))
    kept = different.take(pc.array_sort_indices(different, order="descending").slice(0, most))
    return pc.and_(days.is_valid(), pc.invert(pc.is_in(days, value_set=kept)))


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
    return as_array(table.column(name))


def _is_no_id(ids: Array, length: int) -> Array:
    """Return True for ids that are empty, too long or all zero; shorter ones are padded already."""
    is_wrong = pc.not_equal(pc.binary_length(ids), int32(length))
    return pc.or_(is_wrong, pc.equal(ids, pa.scalar(bytes(length), pa.binary())))


def _count(reasons: Array) -> Counter[str]:
    counted = reasons.drop_null().value_counts()
    return Counter(dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)))


_MOST_DAYS_TOGETHER = 64
"""Limit on UTC days of all requests that are stored together."""


def beyond_days(decoded: Decoded) -> frozenset[int]:
    """Return the requests, by number, that have to be left out so that the others lie on few days together.

    Requests with spans of few days are kept first. A single request is always kept.
    """
    if len(decoded.spans_per_request) == 1 or _spread(decoded.table) < _MOST_DAYS_TOGETHER:
        return frozenset()
    days = _days(decoded.table)
    bounds = pairwise(accumulate(decoded.spans_per_request, initial=0))
    of_request = [_latest(days.slice(start, end - start)) for start, end in bounds]
    every: set[int] = set()
    refused = set()
    for number in sorted(range(len(of_request)), key=lambda number: len(of_request[number])):
        together = every | of_request[number]
        if every and len(together) > _MOST_DAYS_TOGETHER:
            refused.add(number)
        else:
            every = together
    return frozenset(refused)


def _latest(days: Array) -> set[int]:
    """Return the days that a request may have at most."""
    return set(sorted(days.unique().to_pylist())[-MOST_DAYS:])
