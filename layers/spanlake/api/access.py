"""The access of an HTTP request, and the tenants that it names."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.types import Scope

from spanlake.auth.access import HEADER, Access, Role

ACCESS = "spanlake.access"
"""The key of the scope under which authentication puts the access of a request."""


def header_values(scope: Scope, name: str) -> Iterator[str]:
    """Yield the values of a header; its name is in lower case."""
    wanted = name.encode()
    return (value.decode("latin-1") for key, value in scope["headers"] if key == wanted)


def access_in(scope: Scope) -> Access:
    """Return the access of a request that has passed Authenticated."""
    found: Access = scope[ACCESS]
    return found


def tenant_to_write(scope: Scope) -> str:
    """Return the tenant that spans are sent for; raises InvalidTenant and Forbidden."""
    access = access_in(scope)
    access.require((Role.WRITE,))
    return access.one(header_values(scope, HEADER))


def tenant_to_delete_from(request: Request) -> str:
    """Return the tenant whose trace is deleted; raises InvalidTenant and Forbidden."""
    access = access_in(request.scope)
    access.require((Role.DELETE,))
    return access.one(header_values(request.scope, HEADER))


def tenant_of(request: Request) -> str:
    """Return the tenant of a query, or several as ``a|b``; raises InvalidTenant and Forbidden."""
    access = access_in(request.scope)
    access.require((Role.READ,))
    return access.several(header_values(request.scope, HEADER))
