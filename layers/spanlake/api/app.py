"""The HTTP application, put together from routes, and the tenant of a request."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute

from spanlake.api.errors import Table, answer_errors
from spanlake.api.response_compression import CompressedAnswers
from spanlake.ingest.service import HEADER, tenant_named


def tenant_of(request: Request) -> str:
    """The tenant of a request; raises InvalidTenant, a 400, when the header names none that is acceptable."""
    return tenant_named(request.headers.get(HEADER))


def create_app(routes: Sequence[BaseRoute], errors: Table, middleware: Sequence[Middleware] = ()) -> Starlette:
    """An application with these routes, which answers errors as a table of spanlake.api.errors says.

    Large answers are compressed for clients that accept it. Other ``middleware`` is around that.
    """
    app = Starlette(routes=routes, middleware=[*middleware, Middleware(CompressedAnswers)])
    app.router.redirect_slashes = False
    answer_errors(app, errors)
    return app
