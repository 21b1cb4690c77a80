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


def test_attributes_of_usage_are_names_or_names_and_labels() -> None:
    found = parse_overrides(
        b"""
        [defaults]
        usage-attributes = ["service.name", "resource.team", "span.http.route"]
        [tenants.shop]
        usage-attributes = {"service.name" = "service", "9k" = ""}
        """
    )
    assert found.defaults.usage_attributes == (
        ("service.name", "service_name"),
        ("resource.team", "team"),
        ("span.http.route", "http_route"),
    )
    assert found.of("shop").usage_attributes == (("service.name", "service"), ("9k", "_k"))
    assert found.of("shop").shown() == {"usage-attributes": {"service.name": "service", "9k": "_k"}}


def test_sizes_are_needed_for_some_limits_only() -> None:
    assert not TenantLimits(attribute_bytes=1, attribute_columns=1, ingest_rate=1).needs_sizes
    assert TenantLimits(trace_bytes=1).needs_sizes
    assert TenantLimits(usage_attributes=(("a", "a"),)).needs_sizes


def test_empty_file_has_no_limits() -> None:
    assert parse_overrides(b"") == Overrides()


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"x = 1",
        b"[defaults]\nx = 1",
        b"[defaults]\nrequest-spans = 0",
        b"defaults = 1",
        b"[tenants]\na = 1",
        b"[defaults]\nusage-attributes = 1",
        b"[defaults]\nusage-attributes = [1]",
        b'[defaults]\nusage-attributes = {a = "tenant"}',
        b"[defaults]\nusage-attributes = [%s]" % (b'"a",' * 1 + b",".join(b'"%d"' % n for n in range(16))),
        b'[defaults]\nathena-bytes = "0"',
    ],
)
def test_invalid_files_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidSetting):
        parse_overrides(text)
