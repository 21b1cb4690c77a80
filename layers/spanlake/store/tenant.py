"""Tenant ids: which are accepted, and how they stand in object paths."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from spanlake.store.errors import InvalidTenant

DEFAULT_TENANT = "single-tenant"
MAX_TENANT_BYTES = 150
MAX_TENANTS = 50  # that one query may name

_ALLOWED = re.compile(r"[0-9A-Za-z!_.*'()-]+", re.ASCII)
_RULE = "use letters, digits and ! - _ . * ' ( )"


def validate_tenant(name: str) -> str:
    """Return the tenant id unchanged when it is acceptable.

    The rules are those of Grafana's dskit, on which Tempo stands, with two more: a tenant id is not empty, and a
    leading double underscore is reserved, because Hive readers give such partition names meanings of their own.
    Raises InvalidTenant.
    """
    if not name:
        raise InvalidTenant("the tenant id is empty")
    if "|" in name:
        raise InvalidTenant("several tenants ('a|b') are for queries only: name one tenant")
    if not _ALLOWED.fullmatch(name):
        raise InvalidTenant(f"the tenant id {name[:MAX_TENANT_BYTES]!r} has an unsupported character: {_RULE}")
    if len(name) > MAX_TENANT_BYTES:
        raise InvalidTenant(f"the tenant id is {len(name)} bytes long, at most {MAX_TENANT_BYTES} are allowed")
    if name in {".", ".."}:
        raise InvalidTenant(f"the tenant id cannot be {name!r}")
    if name.startswith("__"):
        raise InvalidTenant(f"the tenant id {name!r} begins with '__', which is reserved")
    return name


def tenants_in(names: str) -> tuple[str, ...]:
    """Return the tenants of a query that names one, or several as ``a|b``, as in dskit; raises InvalidTenant."""
    found = names.split("|", MAX_TENANTS)
    if len(found) > MAX_TENANTS:
        raise InvalidTenant(f"the query names more than {MAX_TENANTS} tenants")
    return tuple(sorted({validate_tenant(name) for name in found}))


def joined_tenants(tenants: Iterable[str]) -> str:
    """Undo tenants_in."""
    return "|".join(tenants)


def escape_tenant(name: str) -> str:
    """Spell a valid tenant id as a path segment, with the percent signs that Hive uses for ! * ' ( and )."""
    return quote(name, safe="")


def unescape_tenant(segment: str) -> str:
    """Undo escape_tenant."""
    return unquote(segment)
