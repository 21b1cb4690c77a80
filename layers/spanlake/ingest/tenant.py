"""The tenant of a request, from its header."""

from spanlake.store.tenant import validate_tenant

HEADER = "x-scope-orgid"  # in HTTP headers and gRPC metadata, as in Tempo
DEFAULT_TENANT = "single-tenant"


def tenant_named(header: str | None) -> str:
    """Return the tenant that the header names, the default tenant without a header or with an empty one.

    Tempo's command line sends an empty header unless a tenant is given. Raises InvalidTenant.
    """
    return validate_tenant(header) if header and not header.isspace() else DEFAULT_TENANT
