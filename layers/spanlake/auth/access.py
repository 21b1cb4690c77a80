"""Permissions of a request: its roles, and the tenants that it may name."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import DEFAULT_TENANT, joined_tenants, tenants_in, validate_tenant

HEADER = "x-scope-orgid"  # in HTTP headers and gRPC metadata, as in Tempo
AUTHORIZATION = "authorization"


class Role(StrEnum):
    """Permissions of a token."""

    WRITE = "write"  # send spans
    READ = "read"  # query
    DELETE = "delete"  # delete traces
    ADMIN = "admin"  # metrics, settings and the status of all tenants


EVERY_ROLE = frozenset(Role)


class AccessError(Exception):
    """Base of the refusals for lack of permission."""


class Unauthenticated(AccessError):
    """The request has no valid credentials."""


class Forbidden(AccessError):
    """The credentials are valid and do not permit the request."""


class CannotVerify(AccessError):
    """The credentials cannot be checked now; the same request may succeed later."""

    retry_seconds = 2


@dataclass(frozen=True, slots=True)
class Access:
    """The tenants and roles of a request's credentials."""

    tenants: tuple[str, ...] | None  # None for any tenant; the first is the default
    roles: frozenset[Role]
    name: str = ""  # label of the credentials in logs

    def require(self, roles: Collection[Role]) -> None:
        """Raise Forbidden unless the credentials have one of these roles."""
        if self.roles.isdisjoint(roles):
            raise Forbidden(f"the credentials lack the role {' or '.join(sorted(roles))}")

    def one(self, named: Iterable[str]) -> str:
        """Return the tenant to write to, given the values of the tenant header; raises InvalidTenant and Forbidden."""
        header = one_value(named)
        tenant = validate_tenant(header) if header else self._default
        self._check(tenant)
        return tenant

    def several(self, named: Iterable[str]) -> str:
        """Return the tenants to read, joined by ``|``; raises InvalidTenant and Forbidden."""
        header = one_value(named)
        tenants = tenants_in(header) if header else (self._default,)
        for tenant in tenants:
            self._check(tenant)
        return joined_tenants(tenants)

    def sees(self, tenant: str) -> bool:
        """True where the status of this tenant may be shown."""
        return Role.ADMIN in self.roles or self.tenants is None or tenant in self.tenants

    @property
    def _default(self) -> str:
        return DEFAULT_TENANT if self.tenants is None else self.tenants[0]

    def _check(self, tenant: str) -> None:
        if self.tenants is not None and tenant not in self.tenants:
            raise Forbidden(f"the credentials are not for the tenant that {HEADER} names")


ANYONE = Access(None, EVERY_ROLE)
"""The access of every request where no credentials are asked for."""

NOTHING = Access((), frozenset())
"""The access of requests for what needs no credentials: to no tenant, in no role."""


class Authenticator(Protocol):
    """Finds the access of credentials; safe to use from any thread."""

    def access(self, authorization: Iterable[str]) -> Access:
        """Return the access of the values of the Authorization header; raises AccessError."""


class Open:
    """An authenticator that asks for no credentials."""

    def access(self, _: Iterable[str]) -> Access:
        """Return the access of anyone."""
        return ANYONE


OPEN = Open()


def one_value(values: Iterable[str]) -> str:
    """Return the tenant that the values of a header name, empty without one.

    Several values occur where a proxy adds its header beside the client's. Raises InvalidTenant where they differ:
    which of them is the proxy's is not known. Blank values name none; Tempo's command line sends them.
    """
    found = {value.strip() for value in values}
    found.discard("")
    if len(found) > 1:
        raise InvalidTenant(f"{HEADER} occurs several times with different tenants: send it once")
    return found.pop() if found else ""
