"""Tenant ids, as Tempo takes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import escape_tenant, unescape_tenant, validate_tenant

ALLOWED = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!-_.*'()"


@pytest.mark.parametrize("name", ["single-tenant", "1", "a.b", "...", "_x", "Team-A_(eu)!*'", ".hidden", "x" * 150])
def test_accepted(name: str) -> None:
    assert validate_tenant(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "cannot be '.'"),
        ("..", "cannot be '..'"),
        ("x" * 151, "151 bytes"),
        ("a|b", "several tenants"),
        ("a/b", "unsupported character"),
        ("a\\b", "unsupported character"),
        ("a b", "unsupported character"),
        ("a\n", "unsupported character"),
        ("a:b", "unsupported character"),
        ("a%2e", "unsupported character"),
        ("ä", "unsupported character"),
        ("٣", "unsupported character"),
        ("a\x00", "unsupported character"),
        ("__HIVE_DEFAULT_PARTITION__", "reserved"),
    ],
)
def test_refused(name: str, reason: str) -> None:
    with pytest.raises(InvalidTenant, match=reason):
        validate_tenant(name)


def test_a_huge_name_is_not_repeated_in_the_message() -> None:
    with pytest.raises(InvalidTenant) as refused:
        validate_tenant("ä" * 10**6)
    assert len(str(refused.value)) < 1000


@given(st.text(ALLOWED, min_size=1, max_size=150))
def test_in_a_path_it_is_one_plain_segment_that_can_be_read_back(name: str) -> None:
    segment = escape_tenant(name)
    assert not set(segment) & set("/\\*?[]{}'\" ")
    assert unescape_tenant(segment) == name
