"""Requests of empty messages are refused before they are decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.spans.otlp import nesting
from spanlake.spans.otlp.limits import TooMuch
from tests.payloads import export_request
from tests.scenarios.hostile.bombs import field

SIZE = 2 << 20
SPAN = field(2, bytes(100))


@pytest.mark.parametrize(
    "body",
    [
        field(1, b"") * (SIZE // 2),
        field(1, field(2, b"") * (SIZE // 2)),
        field(1, field(3, b"")) * (SIZE // 4),
        field(1, field(1000, b"") * (SIZE // 3)),
        b"\x98\x06\x01" * (SIZE // 3),
    ],
)
def test_check_refuses_large_requests_of_empty_messages(body: bytes) -> None:
    with pytest.raises(TooMuch, match="resources"):
        nesting.check([body])


@pytest.mark.parametrize(
    "body",
    [
        field(1, field(2, SPAN * (SIZE // 102))),
        field(1, field(1, bytes(60)) + field(2, SPAN)) * (SIZE // 190),
        field(1, b"") * 1000,
        b"\xff" * SIZE,
        b"\x0b" * SIZE,
        b"\x0a\xff\xff\xff\xff\x7f" + bytes(SIZE),
    ],
)
def test_check_passes_other_requests(body: bytes) -> None:
    nesting.check([body, export_request("a").SerializeToString()])


@given(st.binary(max_size=200))
def test_check_takes_any_bytes(body: bytes) -> None:
    nesting.check([body + bytes(nesting._LARGE)])
