"""The Tempo API over the blocks of a store, answered by this process without a server."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.auth.access import HEADER
from spanlake.cli.client.api import JSON
from spanlake.cli.client.refusals import refused
from spanlake.cli.errors import InvalidOption
from spanlake.cli.storage import opened
from spanlake.query.open import open_querier
from spanlake.settings.model import QueryLimits
from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import joined_tenants, tenants_in

_BASE = "http://store"


@dataclass(frozen=True, slots=True)
class StoredSpans:
    """The blocks of a store, as one tenant sees them."""

    url: str  # the name of the store
    app: ASGIApp
    headers: Mapping[str, str]
    timeout_seconds: float

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> bytes:
        """Return the body of a successful answer; raises Refused for any other."""
        return self._ask("GET", path, params, accept)

    def delete(self, path: str) -> None:
        """Send DELETE; raises Refused."""
        self._ask("DELETE", path, None, JSON)

    def _ask(self, method: str, path: str, params: Mapping[str, str] | None, accept: str) -> bytes:
        answer = asyncio.run(self._sent(method, path, params, accept))
        if not answer.is_success:
            raise refused(answer.status_code, None, answer.content, self.url)
        return answer.content

    async def _sent(self, method: str, path: str, params: Mapping[str, str] | None, accept: str) -> httpx.Response:
        headers = {"Accept": accept, "Accept-Encoding": "identity", **self.headers}
        transport = httpx.ASGITransport(self.app)
        client = httpx.AsyncClient(transport=transport, base_url=_BASE, headers=headers, timeout=self.timeout_seconds)
        async with client:
            return await client.request(method, path, params=params)


@contextmanager
def stored_spans(
    data: Path, objects_url: str, index_url: str, tenant: str, timeout_seconds: float
) -> Iterator[StoredSpans]:
    """Open a store for queries, also while a server runs on it; raises CommandError."""
    limits = QueryLimits(seconds=timeout_seconds)
    with opened(data, objects_url, index_url) as (objects, index):
        querier = open_querier(objects, index, limits, None if objects_url else data)
        app = create_app(tempo_routes(querier), ALL_ERRORS)
        yield StoredSpans(objects_url or str(data), app, _header(tenant), timeout_seconds)


def _header(tenant: str) -> dict[str, str]:
    try:
        return {HEADER: joined_tenants(tenants_in(tenant))} if tenant else {}
    except InvalidTenant as error:
        raise InvalidOption(f"invalid --tenant: {error}") from None
