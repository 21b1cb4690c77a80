"""Whose data an HTTP request is about, as a FastAPI dependency."""

from typing import Annotated

from fastapi import Depends, Request

from spanlake.ingest.tenant import HEADER, tenant_named


async def _tenant(request: Request) -> str:
    return tenant_named(request.headers.get(HEADER))


Tenant = Annotated[str, Depends(_tenant)]
"""The tenant of a request; InvalidTenant, a 400, when the header names none that is acceptable."""
