import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql.literals import MAX_NS, format_duration, parse_duration

SECOND = 10**9

READ = [
    ("1ns", 1),
    ("1us", 1_000),
    ("1µs", 1_000),
    ("1\u03bcs", 1_000),
    ("1ms", 1_000_000),
    ("1.5s", 1_500_000_000),
    (".5s", 500_000_000),
    ("1.s", SECOND),
    ("1m", 60 * SECOND),
    ("1h2m3s", 3_723 * SECOND),
    ("3s2m1h", 3_723 * SECOND),
    ("1d12h", 36 * 3600 * SECOND),
    ("2w", 14 * 24 * 3600 * SECOND),
    ("1.5d", 36 * 3600 * SECOND),
    ("0.5w12h", 4 * 24 * 3600 * SECOND),
    ("1h1d", 25 * 3600 * SECOND),
    ("1y", 365 * 24 * 3600 * SECOND),
    ("1m30s500ms", 90_500_000_000),
    ("0.0000000019s", 1),
    ("9223372036854775807ns", MAX_NS),
]

NOT_READ = ["", "1", "s", ".s", "1parsec", "1 s", "1.5D", "-1s", "1s1", "9223372036854775808ns", "300y"]

WRITTEN = [
    (0, "0s"),
    (1, "1ns"),
    (1_500, "1.5µs"),
    (250_000_000, "250ms"),
    (SECOND, "1s"),
    (90_500_000_000, "1m30.5s"),
    (3 * 3600 * SECOND, "3h0m0s"),
    (-2_500_000_000, "-2.5s"),
]


@pytest.mark.parametrize(("text", "nanoseconds"), READ)
def test_parse_duration_reads_all_units(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", NOT_READ)
def test_parse_duration_rejects_malformed(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(("nanoseconds", "text"), WRITTEN)
def test_format_duration_writes_nanoseconds(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


@given(st.integers(0, MAX_NS))
def test_parse_duration_reads_back_format_duration(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds
