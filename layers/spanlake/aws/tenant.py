"""Whose request it is, as API Gateway's authorizer has found out."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.ingest.tenant import HEADER

_HEADER = HEADER.encode()


class Forbidden(Exception):  # noqa: N818
    """The request is not of the tenant that it names, or of none."""


class AuthorizedTenant:
    """Lets the application around which it stands see the tenant that the authorizer found, as the usual header.

    Without an authorizer the header is the client's, as on one machine. With one, a client may name its tenant but no
    other: it is answered with 403. An empty header names none.
    """

    def __init__(self, app: ASGIApp, claim: str) -> None:
        """``claim`` is the one of a JSON Web Token that names the tenant."""
        self._app = app
        self._claim = claim

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that came through Mangum."""
        authorizer = scope["aws.event"]["requestContext"].get("authorizer")
        if not authorizer:
            await self._app(scope, receive, send)
            return
        try:
            headers = _headers(scope["headers"], self._tenant(authorizer))
        except Forbidden as error:
            await PlainTextResponse(f"{error}\n", 403)(scope, receive, send)
            return
        await self._app({**scope, "headers": headers}, receive, send)

    def _tenant(self, authorizer: Mapping[str, Any]) -> str:
        if "jwt" in authorizer:
            tenant = (authorizer["jwt"].get("claims") or {}).get(self._claim)
        else:
            tenant = (authorizer.get("lambda") or {}).get("tenant")
        if not isinstance(tenant, str) or not tenant:
            raise Forbidden(f"the token names no tenant: it needs the claim {self._claim}")
        return tenant


def _headers(headers: list[tuple[bytes, bytes]], tenant: str) -> list[tuple[bytes, bytes]]:
    if any(name == _HEADER and value.strip() not in (b"", tenant.encode()) for name, value in headers):
        raise Forbidden(f"{HEADER} names another tenant than the token's")
    return [*((name, value) for name, value in headers if name != _HEADER), (_HEADER, tenant.encode())]
