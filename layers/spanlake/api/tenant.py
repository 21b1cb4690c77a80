"""Whose data an HTTP request is about."""

from starlette.requests import Request

from spanlake.ingest.tenant import HEADER, tenant_named


def tenant_of(request: Request) -> str:
    """The tenant of a request; raises InvalidTenant, a 400, when the header names none that is acceptable."""
    return tenant_named(request.headers.get(HEADER))
