"""Routes whose parameters are declared by types, with FastAPI, in an application of Starlette.

The application stays Starlette's, so that requests to store spans pass nothing of FastAPI's.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be answered; the text says why", "content": _TEXT},
    "5XX": {"description": "The request failed; Retry-After says when to send it again", "content": _TEXT},
}


class InvalidParameter(ValueError):  # noqa: N818
    """A parameter of a request that can not be understood."""


class Parameters(Protocol):
    """A model of query parameters."""

    @classmethod
    def check_names(cls, given: Iterable[tuple[str, str]]) -> None:
        """Raise InvalidParameter for names, and repeated names, that the request does not allow."""


class TypedRoute(APIRoute):
    """A route of FastAPI that answers HEAD like Starlette's, and errors of parameters as InvalidParameter.

    ``parameters`` is the model of the query parameters, where the endpoint takes one; other names that mean something
    to the API are refused. ``answer`` is the type of the JSON body, for the OpenAPI document.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        *,
        method: str = "GET",
        parameters: type[Parameters] | None = None,
        answer: type | None = None,
        media_type: str = "application/json",
        status: int = 200,
    ) -> None:
        checks = [] if parameters is None else [Depends(_known(parameters))]
        described: dict[str, Any] = {"description": "The answer"} | (
            {} if status == 204 else {"content": {media_type: {}}}
        )
        super().__init__(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            response_model=None,
            response_class=Response,
            dependencies=checks,
            responses={status: described, **_FAILURES},
            tags=[_tag(path)],
        )
        self.answer, self.media_type = answer, media_type
        self.app = AsyncExitStackMiddleware(self.app)
        self.methods = {"GET", "HEAD"} if method == "GET" else {method}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, with the project's error for parameters that are not valid."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise invalid_parameter(error.errors()) from None

        return handler


def invalid_parameter(errors: Sequence[Mapping[str, Any]]) -> InvalidParameter:
    """Return the first of pydantic's errors, as text that begins with the parameter's name."""
    first = errors[0]
    reason = first.get("ctx", {}).get("error", first["msg"])
    return InvalidParameter(f"invalid {first['loc'][-1]}: {reason}")


def typed_routes(routes: Iterable[object]) -> list[TypedRoute]:
    """Return the routes that the OpenAPI document describes."""
    return [route for route in routes if isinstance(route, TypedRoute)]


def _known(model: type[Parameters]) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        model.check_names(request.query_params.multi_items())

    return check


def _tag(path: str) -> str:
    return "tempo" if path.startswith("/api/") and not path.startswith("/api/status") else "operations"
