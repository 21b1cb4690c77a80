"""``/api/access``: a request's tenants and roles; ``/api/page/links``: the links of the web page."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.authentication import access_in
from spanlake.api.services.schemas import AccessResponse, PageLinksResponse
from spanlake.api.tempo.dependencies import json_response
from spanlake.api.typed_route import TypedRoute
from spanlake.settings.page_links import PageLinks


def access_routes() -> list[Route]:
    """Return the route."""

    async def access(request: Request) -> Response:
        """Return the tenants and roles of the credentials, null for any tenant."""
        found = access_in(request.scope)
        return json_response(to_json({"tenants": found.tenants, "roles": sorted(found.roles)}))

    return [TypedRoute("/api/access", access, answer=AccessResponse)]


def link_routes(links: PageLinks) -> list[Route]:
    """Return the route."""
    body = to_json({"links": links.shown()})

    async def page_links(_: Request) -> Response:
        """Return the patterns of the links that the web page shows at attributes and traces."""
        return json_response(body)

    return [TypedRoute("/api/page/links", page_links, answer=PageLinksResponse)]
