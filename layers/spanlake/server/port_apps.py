"""Applications by port: each port serves its own paths."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class PortApps:
    """An application that passes each request to the application of the port on which it arrived."""

    def __init__(self, apps: Mapping[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._apps[scope["server"][1]](scope, receive, send)
