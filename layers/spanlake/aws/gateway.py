"""The access of a request by what API Gateway's authorizer found out."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from spanlake.auth.access import ANYONE, HEADER, NOTHING, Access, Forbidden, Role
from spanlake.auth.claims import access_of_claims, mapped_tenants, roles_named
from spanlake.auth.endpoints import is_page
from spanlake.auth.tokens import ANY_TENANT
from spanlake.aws.http_events import authorizer_of
from spanlake.aws.settings import claim_rules, trusts_tenant_header
from spanlake.aws.telemetry import Label
from spanlake.settings.access import ClaimRules
from spanlake.store.tenant import DEFAULT_TENANT

_USUAL = frozenset({Role.WRITE, Role.READ, Role.DELETE})
"""Roles where an authorizer names none, and of IAM's principals, whose policies name methods and paths."""

_LONGEST_NAME = 160  # characters of a tenant's name in a log


def gateway_access(environment: Mapping[str, str]) -> "GatewayAccess":
    """Compose the access of a function by its environment; raises InvalidSetting."""
    claim_rules(environment)  # an invalid one ends the start
    return GatewayAccess(environment, trust_tenant_header=trusts_tenant_header(environment))


class GatewayAccess:
    """Finds the access of a request that came through Mangum.

    Rules about claims are those of the environment, or of the API's stage variables where it has them.

    Without an authorizer's claims nobody has access, unless the tenant header is trusted: that of a proxy in front.
    """

    def __init__(self, environment: Mapping[str, str], *, trust_tenant_header: bool = False) -> None:
        self._environment = dict(environment)
        self._rules_of = lru_cache(maxsize=8)(self._read)
        self._trust = trust_tenant_header

    def __call__(self, scope: Scope) -> Access:
        """Return the access; raises Forbidden."""
        if is_page(scope["method"], scope["path"]):
            return NOTHING
        event = scope["aws.event"]
        context = event.get("requestContext") or {}
        found = authorizer_of(event) or {}
        if not found and self._trust:
            return ANYONE
        if isinstance(jwt := found.get("jwt"), dict):
            return access_of_claims(jwt.get("claims") or {}, self._rules(event))
        if isinstance(iam := found.get("iam"), dict):
            return _of_principal(iam, context.get("accountId"), self._rules(event))
        return _of_tokens(found.get("lambda") or {})

    def _rules(self, event: Mapping[str, Any]) -> ClaimRules:
        return self._rules_of(frozenset((event.get("stageVariables") or {}).items()))

    def _read(self, variables: frozenset[tuple[str, str]]) -> ClaimRules:
        return claim_rules({**self._environment, **dict(variables)})


def labelled(access_of: Callable[[Scope], Access], label: Label) -> Callable[[Scope], Access]:
    """Return the finder of accesses, which tells the telemetry whose request it is, too."""

    def found(scope: Scope) -> Access:
        access = access_of(scope)
        named = Headers(raw=scope["headers"]).get(HEADER) or ",".join(access.tenants or ()) or DEFAULT_TENANT
        label(tenant=named[:_LONGEST_NAME])
        return access

    return found


def _of_principal(iam: Mapping[str, Any], account: Any, rules: ClaimRules) -> Access:
    """Return the access of a role or user of the API's own account."""
    if not account or iam.get("accountId") != account:
        raise Forbidden("the credentials are of another account")
    kind, _, name = str(iam.get("userArn") or "").rpartition(":")[2].partition("/")
    name = name.partition("/")[0] if kind == "assumed-role" else name.rpartition("/")[2]
    tenants = mapped_tenants([name] if rules.tenants else (), rules)
    if not tenants:
        raise Forbidden("the principal has no tenant: it needs an entry of SPANLAKE_TENANT_MAP or a default tenant")
    return Access(tenants, _USUAL, name[:64])


def _of_tokens(context: Mapping[str, Any]) -> Access:
    """Return the access of a token, as the function ``authorize`` names it."""
    named = context.get("tenants") or context.get("tenant")
    if not isinstance(named, str) or not named:
        raise Forbidden("the authorizer names no tenant")
    roles = context.get("roles")
    tenants = None if named == ANY_TENANT else tuple(named.split(","))
    return Access(tenants, roles_named(roles.split(",")) if isinstance(roles, str) else _USUAL)
