"""Authentication of HTTP requests before any of their endpoints, and their access to tenants."""

from collections.abc import Callable, Iterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spanlake.api.errors import INGEST_ERRORS, http_error
from spanlake.auth.access import ANYONE, AUTHORIZATION, HEADER, NOTHING, Access, AccessError, Authenticator, Role
from spanlake.auth.endpoints import TELLING_ACCESS, is_open, roles_for
from spanlake.ingest.misdirected import MisdirectionLog, Notice
from spanlake.store.errors import InvalidTenant

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


AccessOf = Callable[[Scope], Access]
"""Finds the access of a request; raises AccessError."""


def anyone(_: Scope) -> Access:
    """Return the access of every request where no credentials are asked for."""
    return ANYONE


def by_header(authenticator: Authenticator) -> AccessOf:
    """Find the access by the Authorization header; paths for probes need none."""

    def access_of(scope: Scope) -> Access:
        if is_open(scope["method"], scope["path"]):
            return NOTHING
        return authenticator.access(header_values(scope, AUTHORIZATION))

    return access_of


class Authenticated:
    """Passes on the requests whose credentials permit them, each with its access in the scope."""

    def __init__(self, app: ASGIApp, access_of: AccessOf = anyone, notices: MisdirectionLog | None = None) -> None:
        self._app = app
        self._access_of = access_of
        self._notices = notices or MisdirectionLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            scope[ACCESS] = self._permitted(scope)
        except (AccessError, InvalidTenant) as error:
            _, port = scope.get("server") or ("", 0)
            self._notices.note(port or 0, Notice.NO_PERMISSION, reason=str(error))
            await _refusal(scope, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _permitted(self, scope: Scope) -> Access:
        access = self._access_of(scope)
        path = scope["path"].removesuffix("\n")  # a route's pattern matches before a line end, too
        if not is_open(scope["method"], path):
            access.require(roles_for(scope["method"], path))
            _check_tenants(scope, access, path)
        return access


def _check_tenants(scope: Scope, access: Access, path: str) -> None:
    """Raise Forbidden or InvalidTenant for tenants that the credentials are not for, where no endpoint asks, too."""
    if access.tenants is None or path in TELLING_ACCESS:
        return
    access.several(header_values(scope, HEADER))


def _refusal(scope: Scope, error: AccessError | InvalidTenant) -> Response:
    told = http_error(error, INGEST_ERRORS)
    if scope["method"] == "POST":
        from spanlake.api.ingest.otlp import CODECS, media_type_of  # with all of ingest, which queries do without

        codec = CODECS.get(media_type_of(Headers(scope=scope)))
        if codec is not None:  # the body of every refusal that OTLP's clients get is a Status
            return codec.refusal(told)
    return PlainTextResponse(f"{told.message}\n", told.status, told.headers)
