"""Whose spans a request brings or asks for."""

from spanlake.store.tenant import validate_tenant

HEADER = "x-scope-orgid"  # in HTTP headers and gRPC metadata, as in Tempo
DEFAULT_TENANT = "single-tenant"


def tenant_named(header: str | None) -> str:
    """The tenant that the header names, or the default one when there is no header; raises InvalidTenant."""
    return DEFAULT_TENANT if header is None else validate_tenant(header)
