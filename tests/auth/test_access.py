"""Permissions: tenants that a request may name, and roles of endpoints."""

import pytest

from spanlake.auth.access import ANYONE, Access, Forbidden, Role
from spanlake.auth.endpoints import roles_for
from spanlake.store.errors import InvalidTenant

BOTH = Access(("shop", "bank"), frozenset({Role.READ}))


@pytest.mark.parametrize(
    ("access", "named", "tenant"),
    [
        (ANYONE, [], "single-tenant"),
        (ANYONE, ["", " "], "single-tenant"),
        (ANYONE, ["a", "", " a "], "a"),
        (BOTH, [], "shop"),
        (BOTH, ["bank"], "bank"),
    ],
)
def test_one_tenant_is_that_of_the_header_or_the_first(access: Access, named: list[str], tenant: str) -> None:
    assert access.one(named) == access.several(named) == tenant


@pytest.mark.parametrize("named", [["a", "b"], ["a b"], ["../a"], ["__a"]])
def test_invalid_tenants_are_refused(named: list[str]) -> None:
    with pytest.raises(InvalidTenant):
        ANYONE.one(named)
    with pytest.raises(InvalidTenant):
        ANYONE.several(named)


def test_several_tenants_are_for_queries_only() -> None:
    assert BOTH.several(["shop|bank|shop"]) == "bank|shop"
    with pytest.raises(InvalidTenant, match="for queries only"):
        BOTH.one(["shop|bank"])
    with pytest.raises(InvalidTenant, match="more than 50"):
        ANYONE.several(["|".join(map(str, range(51)))])


@pytest.mark.parametrize("named", ["other", "shop|other"])
def test_tenants_of_others_are_forbidden(named: str) -> None:
    with pytest.raises(Forbidden) as refused:
        BOTH.several([named])
    assert "other" not in str(refused.value)


@pytest.mark.parametrize(
    ("method", "path", "roles"),
    [
        ("GET", "/metrics", "admin"),
        ("GET", "/status/config", "admin"),
        ("GET", "/status", "admin read"),
        ("GET", "/api/search", "read"),
        ("GET", "/api/some/new/path", "read"),
        ("HEAD", "/api/traces/1", "read"),
        ("POST", "/v1/traces", "write"),
        ("POST", "/metrics", "write"),
        ("DELETE", "/api/traces/{traceId}", "delete"),
        ("PUT", "/api/search", "admin"),
        ("GET", "/docs/{asset}", "admin delete read write"),
    ],
)
def test_endpoints_require_roles(method: str, path: str, roles: str) -> None:
    assert " ".join(sorted(roles_for(method, path))) == roles
