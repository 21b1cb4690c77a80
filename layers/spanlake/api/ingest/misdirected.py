"""Answers to POSTs for which there is no path: what is stored here, and where it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route, Router
from starlette.types import Receive, Scope, Send

from spanlake.api.errors import HttpError
from spanlake.api.ingest.otlp import CODECS, media_type_of
from spanlake.ingest.misdirected import HTTP_PATHS, Notice, path_refusal, signal_of_path, signal_refusal
from spanlake.ingest.service import Ingest


class OtherPosts(Route):
    """The route of every POST that no route before it takes."""

    def __init__(self, ingest: Ingest, advice: str = HTTP_PATHS) -> None:
        """``advice`` says where spans are sent."""
        super().__init__("/{path:path}", _Refusing(ingest, advice))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match POSTs alone, so that other methods are answered as if there were no such route."""
        return super().matches(scope) if scope["method"] == "POST" else (Match.NONE, {})


@dataclass(frozen=True, slots=True)
class _Refusing:
    """The ASGI application behind the route; it reads no body."""

    ingest: Ingest
    advice: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = self._response(scope)
        await response(scope, receive, send)

    def _response(self, scope: Scope) -> Response:
        signal = signal_of_path(scope["path"])
        told = HttpError(HTTPStatus.NOT_FOUND, signal_refusal(signal)) if signal else _problem(scope, self.advice)
        event = Notice.of_signal(signal) if signal else Notice.WRONG_PATH
        _, port = scope.get("server") or ("", 0)
        self.ingest.notices.note(port or 0, event, reason=told.message)
        codec = CODECS.get(media_type_of(Headers(scope=scope)))
        if codec is not None:
            return codec.refusal(told)
        return PlainTextResponse(f"{told.message}\n", told.status, told.headers)


def _problem(scope: Scope, advice: str) -> HttpError:
    path: str = scope["path"]
    allowed = _methods_allowed(scope)
    if allowed:
        methods = ", ".join(sorted(allowed))
        message = f"{path[:80]!r} is asked with {methods}, not POST; {path_refusal(path, advice)}"
        return HttpError(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": methods})
    return HttpError(HTTPStatus.NOT_FOUND, path_refusal(path, advice))


def _methods_allowed(scope: Scope) -> set[str]:
    """Find the other methods that the path has in the application."""
    router: Router = scope["router"]
    seen: Mapping[str, object] = {key: value for key, value in scope.items() if key != "path_params"}
    partial = (route for route in router.routes if route.matches(dict(seen))[0] is Match.PARTIAL)
    return {method for route in partial for method in getattr(route, "methods", None) or ()}
