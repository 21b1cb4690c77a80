"""The check before the log: whatever it lets through is decoded, and every span of it is valid."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanlake.spans.otlp.decode import decode, decode_checked
from spanlake.spans.otlp.precheck import AcceptedTimes, Checked, check
from spanlake.spans.otlp.validate import validate
from spanlake.spans.otlp.wire_fields import delimited
from tests.payloads import export_request
from tests.spans.otlp_requests import requests

TIMES = AcceptedTimes(1, 2**63)


def _valid(request: ExportTraceServiceRequest, id_: int) -> ExportTraceServiceRequest:
    """Make the ids and times of all spans valid, in most cases."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.trace_id, span.span_id = b"t" * 16, id_.to_bytes(8)
                span.start_time_unix_nano = span.start_time_unix_nano % 2**63 + 1
    return request


def _broken(body: bytes, cut: int, extra: bytes) -> bytes:
    return body[: len(body) - cut] + extra if cut <= len(body) else body


arbitrary = st.builds(
    _broken,
    st.builds(_valid, requests, st.integers(0, 3)).map(lambda request: request.SerializeToString()),
    st.sampled_from([0, 0, 0, 0, 1, 5]),
    st.binary(max_size=3) | st.just(b""),
)


def _counts(bodies: Sequence[bytes], times: AcceptedTimes) -> list[int] | None:
    checked = check(bodies, times)
    return None if checked is None else checked.spans_per_request


@settings(max_examples=300, deadline=None)
@given(st.lists(arbitrary, min_size=1, max_size=3))
def test_counted_requests_are_decoded_and_valid(bodies: Sequence[bytes]) -> None:
    checked = check(bodies, TIMES)
    if checked is None:
        return
    decoded = decode(bodies)
    assert decoded.spans_per_request == checked.spans_per_request
    validated = validate(decoded, oldest_ns=TIMES.oldest_ns, newest_ns=TIMES.newest_ns)
    assert not any(validated.rejected)
    table = decode_checked(checked).table
    assert table.schema.equals(validated.table.schema)
    assert str(table.to_pydict()) == str(validated.table.to_pydict())  # NaN equals itself as text alone
    parts = [part for body in bodies if (part := check([body], TIMES)) is not None]
    assert decode_checked(Checked.concat(parts)).table.equals(validated.table)


def test_valid_requests_are_counted() -> None:
    bodies = [export_request(*names).SerializeToString() for names in ("ab", "", "c")]
    assert _counts(bodies, AcceptedTimes(0, 2**63)) == [2, 0, 1]


def test_hostile_attributes_are_decoded() -> None:
    span = delimited(1, b"t" * 16) + delimited(2, b"s" * 8) + b"\x39" + (10**18).to_bytes(8, "little")
    body = delimited(1, delimited(2, delimited(2, span + delimited(9, b"") * 15_000)))
    checked = check([body], TIMES)
    assert checked is not None
    assert decode_checked(checked).table.num_rows == 1


@pytest.mark.parametrize(("start_ns", "is_counted"), [(99, False), (100, True), (200, True), (201, False)])
def test_times_are_bounded(start_ns: int, is_counted: bool) -> None:
    body = export_request("a", start_ns=start_ns).SerializeToString()
    assert _counts([body], AcceptedTimes(100, 200)) == ([1] if is_counted else None)
