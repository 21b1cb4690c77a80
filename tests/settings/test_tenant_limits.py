"""Limits of tenants as a file has them."""

from datetime import timedelta

import pytest

from spanlake.settings.tenant_limits import Overrides, TenantLimits, parse_overrides
from spanlake.settings.units import InvalidSetting

FILE = b"""
[defaults]
ingest-rate = "1MB"
query-range = "7d"

[tenants.shop]
query-range = "1d"
request-spans = 100

[tenants."b.ank"]
ingest-rate = 10
"""


def test_overrides_build_on_the_defaults() -> None:
    found = parse_overrides(FILE)
    assert found.of("other") == found.defaults == TenantLimits(ingest_rate=10**6, query_range=timedelta(days=7))
    assert found.of("shop") == TenantLimits(ingest_rate=10**6, request_spans=100, query_range=timedelta(days=1))
    assert found.of("b.ank").ingest_rate == 10


def test_several_tenants_have_the_lowest_of_each_limit() -> None:
    found = parse_overrides(FILE)
    lowest = TenantLimits(ingest_rate=10, request_spans=100, query_range=timedelta(days=1))
    assert found.of_several(["b.ank", "shop"]) == lowest
    assert found.of_several(["other"]) == found.defaults


def test_limits_are_shown_as_in_the_file() -> None:
    assert parse_overrides(FILE).of("shop").shown() == {
        "ingest-rate": 10**6,
        "request-spans": 100,
        "query-range": 86_400.0,
    }


def test_empty_file_has_no_limits() -> None:
    assert parse_overrides(b"") == Overrides()


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"x = 1", b"[defaults]\nx = 1", b"[defaults]\nrequest-spans = 0", b"defaults = 1", b"[tenants]\na = 1"],
)
def test_invalid_files_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidSetting):
        parse_overrides(text)
