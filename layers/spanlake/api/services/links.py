"""``/api/page/links``: the links that the web page makes of attributes and traces."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.services.schemas import PageLinksResponse
from spanlake.api.tempo.dependencies import json_response
from spanlake.api.typed_route import TypedRoute
from spanlake.settings.page_links import PageLinks


def link_routes(links: PageLinks) -> list[Route]:
    """Return the route."""
    body = to_json({"links": links.shown()})

    async def page_links(_: Request) -> Response:
        """Return the patterns of the links that the web page shows at attributes and traces."""
        return json_response(body)

    return [TypedRoute("/api/page/links", page_links, answer=PageLinksResponse)]
