"""Tenants and roles by the claims of a JSON Web Token, for the server and for the functions alike."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spanlake.auth.access import Access, Forbidden, Role
from spanlake.settings.access import ClaimRules
from spanlake.settings.units import InvalidSetting
from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import validate_tenant

_SEPARATORS = re.compile(r"[\s,]+")
_SCOPE_CLAIMS = ("scope", "scp")  # RFC 8693, 4.2, and what Okta and Entra ID write
_SCOPES: Mapping[str, Role] = {f"spanlake{mark}{role}": role for role in Role for mark in ":/."}
"""Scopes and their roles: some issuers allow no colon in a name, others put the name of an API before a slash."""


def access_of_claims(claims: Mapping[str, Any], rules: ClaimRules) -> Access:
    """Return the access of verified claims; raises Forbidden when they name no tenant."""
    return Access(_tenants(claims, rules), _roles(claims, rules), str(claims.get("sub", ""))[:64])


def roles_named(names: Iterable[str]) -> frozenset[Role]:
    """Return the roles of these names; raises InvalidSetting."""
    try:
        return frozenset(Role(name) for name in names)
    except ValueError as error:
        raise InvalidSetting(f"{error}: the roles are {', '.join(Role)}") from None


def mapped_tenants(names: Iterable[str], rules: ClaimRules) -> tuple[str, ...]:
    """Return the tenants of names in a claim, or of principals, by the map where there is one; raises Forbidden."""
    mapped = [tenant for name in names for tenant in rules.tenants.tenants_of(name)]
    if not mapped and rules.default_tenant:
        mapped = [rules.default_tenant]
    try:
        return tuple(dict.fromkeys(validate_tenant(tenant) for tenant in mapped))
    except InvalidTenant as error:
        raise Forbidden(f"the credentials name an invalid tenant: {error}") from None


def _tenants(claims: Mapping[str, Any], rules: ClaimRules) -> tuple[str, ...]:
    found = mapped_tenants(_words(claims.get(rules.tenant_claim)), rules)
    if not found:
        raise Forbidden(f"the token names no tenant: it needs the claim {rules.tenant_claim}")
    return found


def _roles(claims: Mapping[str, Any], rules: ClaimRules) -> frozenset[Role]:
    words = (word for claim in _SCOPE_CLAIMS for word in _words(claims.get(claim)))
    return frozenset(_SCOPES[word] for word in words if word in _SCOPES) or roles_named(rules.roles)


def _words(claim: Any) -> Iterator[str]:
    """Yield the words of a claim: a list, or text, in which API Gateway writes lists as ``[a b]``."""
    if isinstance(claim, list | tuple):
        yield from (word for word in claim if isinstance(word, str) and word)
    elif isinstance(claim, str):
        yield from filter(None, _SEPARATORS.split(claim.removeprefix("[").removesuffix("]")))
