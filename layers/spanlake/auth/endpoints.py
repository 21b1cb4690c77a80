"""Roles that the endpoints of the HTTP API require."""

from collections.abc import Mapping

from spanlake.auth.access import Role

_ADMIN = frozenset({Role.ADMIN})
_READ = frozenset({Role.READ})
_DELETE = frozenset({Role.DELETE})
_WRITE = frozenset({Role.WRITE})
_ANY = frozenset(Role)
NOBODY: frozenset[Role] = frozenset()

_OPEN = frozenset({"/ready"})
"""Paths that need no credentials: probes have none."""

TELLING_ACCESS = frozenset({"/api/access"})
"""Paths whose answers say which tenants there are to name, and are there for those who name a wrong one, too."""

_OF_PATH: Mapping[str, frozenset[Role]] = {
    "/metrics": _ADMIN,
    "/usage_metrics": _ADMIN,
    "/status/config": _ADMIN,
    "/status": _READ | _ADMIN,
    "/status/overrides": _READ | _ADMIN,
    "/status/version": _ANY,
    "/status/endpoints": _ANY,
    "/api/status/buildinfo": _ANY,
    "/api/access": _ANY,
    "/api/echo": _ANY,
    "/openapi.json": _ANY,
    "/docs": _ANY,
}
_OF_METHOD: Mapping[str, frozenset[Role]] = {
    "GET": _READ,
    "HEAD": _READ,
    "POST": _WRITE,
    "DELETE": _DELETE,
}


def is_open(method: str, path: str) -> bool:
    """True for a request that is answered without credentials."""
    return path in _OPEN or is_page(method, path)


def is_page(method: str, path: str) -> bool:
    """True for the files of the web page, which hold no data: the page asks its reader for credentials."""
    return method in ("GET", "HEAD") and (path == "/" or path.startswith("/assets/"))


def roles_for(method: str, path: str) -> frozenset[Role]:
    """Return the roles of which a request needs one.

    Paths that are not in the table need the role of their method: a new endpoint is never open. A method that no
    endpoint has needs ``admin``.
    """
    if method in ("GET", "HEAD"):
        found = _OF_PATH.get(path)
        if found is None and path.startswith("/docs/"):
            return _ANY
        return found or _READ
    return _OF_METHOD.get(method, _ADMIN)
