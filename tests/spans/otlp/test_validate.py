from collections import Counter

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from spanlake.spans.otlp.decode import Decoded, decode
from spanlake.spans.otlp.precheck import MOST_DAYS
from spanlake.spans.otlp.validate import beyond_days, validate

OLDEST, NEWEST = 1_000, 2_000


def span(
    trace_id: bytes = b"t" * 16, span_id: bytes = b"s" * 8, parent_span_id: bytes = b"", start: int = OLDEST
) -> Span:
    return Span(trace_id=trace_id, span_id=span_id, parent_span_id=parent_span_id, start_time_unix_nano=start)


def decoded(*requests: list[Span]) -> Decoded:
    return decode(
        [
            ExportTraceServiceRequest(
                resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
            ).SerializeToString()
            for spans in requests
        ]
    )


KEPT = {
    "a span": span(),
    "ids of one byte": span(trace_id=b"\1", span_id=b"\1", parent_span_id=b"\1"),
    "a parent of eight bytes": span(parent_span_id=b"p" * 8),
    "a parent of zeros": span(parent_span_id=bytes(8)),
    "the newest": span(start=NEWEST),
}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT.keys())
def test_validate_keeps_valid_span(kept: Span) -> None:
    found = decoded([kept])

    validated = validate(found, oldest_ns=OLDEST, newest_ns=NEWEST)

    assert validated.table.equals(found.table)
    assert validated.rejected == [Counter()]


REJECTED = {
    "no trace id": (span(trace_id=b""), "invalid_trace_id"),
    "a trace id of zeros": (span(trace_id=bytes(16)), "invalid_trace_id"),
    "a short trace id of zeros": (span(trace_id=bytes(3)), "invalid_trace_id"),
    "a long trace id": (span(trace_id=b"t" * 17), "invalid_trace_id"),
    "no span id": (span(span_id=b""), "invalid_span_id"),
    "a span id of zeros": (span(span_id=bytes(8)), "invalid_span_id"),
    "a short span id of zeros": (span(span_id=bytes(1)), "invalid_span_id"),
    "a long span id": (span(span_id=b"s" * 9), "invalid_span_id"),
    "too old": (span(start=OLDEST - 1), "too_old"),
    "no start": (span(start=0), "too_old"),
    "too new": (span(start=NEWEST + 1), "too_new"),
    "past what int64 holds": (span(start=2**64 - 1), "too_new"),
    "several faults": (span(trace_id=b"", span_id=b"", start=0), "invalid_trace_id"),
}


@pytest.mark.parametrize(("rejected", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_validate_rejects_invalid_span_with_reason(rejected: Span, reason: str) -> None:
    validated = validate(decoded([rejected]), oldest_ns=OLDEST, newest_ns=NEWEST)

    assert validated.table.num_rows == 0
    assert validated.rejected == [{reason: 1}]


def test_validate_counts_rejections_by_request() -> None:
    good, old, no_id = span(), span(start=0), span(trace_id=b"")
    found = decoded([good, old, good], [], [good], [no_id, old, old])

    validated = validate(found, oldest_ns=OLDEST, newest_ns=NEWEST)

    assert validated.rejected == [{"too_old": 1}, {}, {}, {"invalid_trace_id": 1, "too_old": 2}]
    assert validated.table.equals(pa.concat_tables([found.table.slice(0, 1), found.table.slice(2, 2)]))


def test_validate_without_bound_accepts_any_age() -> None:
    assert validate(decoded([span(start=0)]), oldest_ns=None, newest_ns=NEWEST).table.num_rows == 1


def test_validate_of_no_spans_rejects_nothing() -> None:
    assert validate(decode([b""]), oldest_ns=None, newest_ns=NEWEST).rejected == [Counter()]


DAY = 86_400 * 10**9
LATE = 10_000 * DAY


def on_days(*days: int) -> list[Span]:
    return [span(start=(9_000 + day) * DAY + 5) for day in days]


def test_validate_keeps_latest_days_of_each_request() -> None:
    found = decoded(on_days(*range(MOST_DAYS + 3)), on_days(0, 1, 1, 500), [span(trace_id=b"")])

    validated = validate(found, oldest_ns=None, newest_ns=LATE)

    assert validated.rejected == [Counter(too_many_days=3), Counter(), Counter(invalid_trace_id=1)]
    days = [(start or 0) // DAY - 9_000 for start in validated.table["start_time_unix_nano"].to_pylist()]
    assert days == [*range(3, MOST_DAYS + 3), 0, 1, 1, 500]


def test_validate_counts_days_of_valid_spans_only() -> None:
    found = decoded([*on_days(*range(MOST_DAYS)), span(start=LATE + 1), span(start=LATE + 2 * DAY)])

    validated = validate(found, oldest_ns=None, newest_ns=LATE)

    assert validated.rejected == [Counter(too_new=2)]


def test_beyond_days_refuses_requests_with_most_days() -> None:
    found = decoded(on_days(*range(100, 140)), on_days(0, 1), on_days(*range(200, 231)), on_days(1))
    assert beyond_days(found) == {0}


@pytest.mark.parametrize(
    "requests", [[on_days(*range(400))], [on_days(0), on_days(900)], [on_days(*range(300)), on_days(*range(300))], [[]]]
)
def test_beyond_days_keeps_requests_that_make_few_files(requests: list[list[Span]]) -> None:
    assert beyond_days(decoded(*requests)) == frozenset()
