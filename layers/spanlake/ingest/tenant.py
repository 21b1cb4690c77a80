"""Whose spans a request brings or asks for."""

from spanlake.store.tenant import validate_tenant

HEADER = "x-scope-orgid"  # in HTTP headers and gRPC metadata, as in Tempo
DEFAULT_TENANT = "single-tenant"


def tenant_named(header: str | None) -> str:
    """The tenant that the header names, or the default one where it is absent or empty; raises InvalidTenant.

    Tempo's command line and its consistency checker send an empty header where no tenant is set.
    """
    return validate_tenant(header) if header else DEFAULT_TENANT
