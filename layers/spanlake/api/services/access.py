"""``/api/access``: the tenants and roles of a request's credentials."""

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spanlake.api.access import access_in
from spanlake.api.services.schemas import AccessResponse
from spanlake.api.tempo.dependencies import json_response
from spanlake.api.typed_route import TypedRoute


def access_routes() -> list[Route]:
    """Return the route."""

    async def access(request: Request) -> Response:
        """Return the tenants and roles of the credentials, null for any tenant."""
        found = access_in(request.scope)
        return json_response(to_json({"tenants": found.tenants, "roles": sorted(found.roles)}))

    return [TypedRoute("/api/access", access, answer=AccessResponse)]
