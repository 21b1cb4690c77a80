"""The HTTP application, put together from routes."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from spanlake.api.authentication import AccessOf, Authenticated, anyone
from spanlake.api.errors import Table, answer_errors
from spanlake.api.query_strings import BoundedQueryStrings
from spanlake.api.response_compression import CompressedAnswers
from spanlake.ingest.misdirected import MisdirectionLog


def create_app(
    routes: Sequence[BaseRoute],
    errors: Table,
    middleware: Sequence[Middleware] = (),
    access_of: AccessOf = anyone,
    notices: MisdirectionLog | None = None,
    serves: str = "",
) -> Starlette:
    """Return an application with these routes, which answers errors as a table of spanlake.api.errors says.

    Unknown paths are answered with what it ``serves``.

    Large answers are compressed for clients that accept it. Other ``middleware`` is around that, and authentication
    around all of it.
    """
    first = [Middleware(BoundedQueryStrings), Middleware(Authenticated, access_of, notices)]
    app = Starlette(routes=routes, middleware=[*first, *middleware, Middleware(CompressedAnswers)])
    app.router.redirect_slashes = False
    answer_errors(app, errors, serves)
    return app
