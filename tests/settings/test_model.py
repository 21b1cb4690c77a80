"""Settings: how they are written, and what is refused."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.settings.model import IngestLimits
from spanlake.settings.units import InvalidSetting, parse_age, parse_limit, parse_size


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("14d", timedelta(days=14)),
        ("36h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("30s", timedelta(seconds=30)),
        ("2w", timedelta(weeks=2)),
        (" 7 d ", timedelta(days=7)),
        ("0", None),
        ("0d", None),
    ],
)
def test_ages(text: str, age: timedelta | None) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "14", "d", "-1d", "1.5d", "1y", "1d2h", "14D", "٣d", "999999999w"])
def test_what_is_not_an_age(text: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_age(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("50GB", 50 * 10**9),
        ("50GiB", 50 * 2**30),
        ("50g", 50 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("64MiB", 64 << 20),
        ("10 kB", 10_000),
        ("1TB", 10**12),
        ("1PiB", 2**50),
        ("1024", 1024),
        ("7B", 7),
        ("0", None),
        ("0GB", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1XB", "1.GB", "50 GB each", "1e9", "1iB", "i", "1ib"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_size(text)


@given(st.integers(1, 10**15))
def test_a_plain_number_is_bytes(size: int) -> None:
    assert parse_size(str(size)) == parse_limit(f"{size}B") == size


def test_a_limit_allows_something() -> None:
    with pytest.raises(InvalidSetting, match="allows nothing"):
        parse_limit("0")


def test_the_largest_request_fits_in_memory() -> None:
    with pytest.raises(InvalidSetting, match="too few"):
        IngestLimits(body_bytes=2, flight_bytes=1)
