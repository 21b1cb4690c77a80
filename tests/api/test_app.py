"""The application put together: what it has, and what it says of errors nobody thought of."""

import asyncio
from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from spanlake.api.app import create_app
from spanlake.api.authentication import tenant_of
from spanlake.api.errors import INGEST_ERRORS
from spanlake.api.ingest.otlp import PATH, OtlpHttp
from spanlake.ingest.admission import Admission
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest
from spanlake.receivers.translation import Translated
from spanlake.settings.model import IngestLimits
from spanlake.telemetry.prometheus import Metrics


def ask(
    routes: Sequence[Route],
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    query: bytes = b"",
) -> tuple[int, bytes]:
    """Send one request to an application with these routes, without a server."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    asyncio.run(create_app(routes, INGEST_ERRORS)(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def broken(tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
    raise ZeroDivisionError("a secret")


async def tenant(request: Request) -> Response:
    return PlainTextResponse(tenant_of(request))


@pytest.mark.parametrize("path", ["/", "/v1/traces", "/tenant/"])
def test_where_there_is_nothing(path: str) -> None:
    assert ask([Route("/tenant", tenant)], "GET", path) == (404, b"Not Found\n")


@pytest.mark.parametrize(("count", "status"), [(256, 200), (257, 400)])
def test_number_of_parameters_is_limited(count: int, status: int) -> None:
    route = Route("/tenant", tenant)
    assert ask([route], "GET", "/tenant", query=b"&".join([b"a=1"] * count))[0] == status


def test_an_error_nobody_thought_of_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    ingest = Ingest(Admission(max_requests=9, max_bytes=999), broken, IngestLimits(), Metrics())
    with ThreadPoolExecutor(1) as slow:
        otlp = OtlpHttp(ingest, Format.of_each("otlp-json", Translated), slow)
        headers = {"Content-Type": "application/json"}
        status, body = ask([Route(PATH, otlp)], "POST", "/v1/traces", headers, b"{}")
    assert (status, body) == (500, b'{"code": 13, "message": "internal error"}')
    assert "a secret" in caplog.text
    assert ingest.admission.bytes_in_flight == 0


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, (200, b"single-tenant")),
        ({"X-Scope-OrgID": "team-a"}, (200, b"team-a")),
        ({"X-Scope-OrgID": ""}, (200, b"single-tenant")),
    ],
)
def test_routes_know_the_tenant(headers: dict[str, str], answer: tuple[int, bytes]) -> None:
    assert ask([Route("/tenant", tenant)], "GET", "/tenant", headers) == answer
