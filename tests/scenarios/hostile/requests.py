"""HTTP requests as fuzzed input: the API with every parameter and header, credentials, and connections.

A request to the API is text: a target such as ``/api/search?q={}``, and below it a header on each line.
"""

import asyncio
import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any
from unittest.mock import Mock
from urllib.parse import unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.types import ASGIApp, Message
from uvicorn.config import Config
from uvicorn.server import ServerState

from spanlake.api.app import create_app
from spanlake.api.authentication import by_header
from spanlake.api.openapi import openapi_document, openapi_routes
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.api.typed_route import typed_routes
from spanlake.auth.access import Role
from spanlake.auth.credentials import Credentials
from spanlake.auth.jwt import JwtVerifier
from spanlake.auth.tokens import Tokens, line_of
from spanlake.edge.connections import ConnectionLimit
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.query.querier import Querier
from spanlake.server.http_protocol import ConnectionBounds, HttpProtocol, Misdirected
from spanlake.settings.access import JwtSettings

_TOKEN = "a token that cannot be guessed"
_ISSUER = "https://issuer.example"
_TRACE = f"{1:032x}"
_TAG = "resource.service.name"


class Api:
    """The API over a few spans, with and without credentials: no answer is 5xx but 503."""

    def __init__(self, querier: Querier) -> None:
        self._routes = tempo_routes(querier)
        every = (*self._routes, *openapi_routes(self._routes))
        self._key = ECKey.generate_key("P-256", {"kid": "one"})
        self._open: ASGIApp = create_app(every, ALL_ERRORS)
        self._guarded: ASGIApp = create_app(every, ALL_ERRORS, (), by_header(self._credentials()))
        self._runner = asyncio.Runner()

    def _credentials(self) -> Credentials:
        published = {"jwks_uri": f"{_ISSUER}/keys", **KeySet([self._key]).as_dict(private=False)}
        verifier = JwtVerifier(JwtSettings(_ISSUER, "spanlake"), lambda _: published)
        verifier.refresh()
        return Credentials(Tokens.parse(line_of(_TOKEN, ["*"], Role)), verifier)

    def ask(self, body: bytes) -> None:
        """Ask without credentials."""
        self._ask(self._open, body)

    def ask_with_credentials(self, body: bytes) -> None:
        """Ask where credentials are needed."""
        self._ask(self._guarded, body)

    def _ask(self, app: ASGIApp, body: bytes) -> None:
        target, *lines = body.split(b"\n")
        path, _, query = (b"/" + bytes(byte for byte in target if byte > 32).lstrip(b"/")).partition(b"?")
        status = self._runner.run(_status(app, path, query, list(_headers(lines))))
        assert status < 500 or status == 503, (status, path, query, lines)  # 503: the key of a token is fetched

    @cached_property
    def parameters(self) -> Mapping[str, Mapping[str, str]]:
        """The parameters of each path of the OpenAPI document, with an example of each."""
        return {
            path: {each["name"]: _example(each) for each in methods["get"].get("parameters", ())}
            for path, methods in openapi_document(typed_routes(self._routes))["paths"].items()
            if "get" in methods
        }

    def requests(self) -> list[bytes]:
        """Return requests that have every parameter of every path: alone, and all together."""
        return [
            f"{path}?{urlencode(chosen)}".encode()
            for template, examples in self.parameters.items()
            for path in [template.format_map({name: _TRACE if name.endswith("_id") else _TAG for name in examples})]
            for given in [{name: value for name, value in examples.items() if f"{{{name}}}" not in template}]
            for chosen in [given, *({name: value} for name, value in given.items())]
        ]

    def requests_with_headers(self) -> list[bytes]:
        """Return requests with the headers that the API reads."""
        claims = {"iss": _ISSUER, "aud": "spanlake", "exp": int(time.time()) + 10**6, "tenant": "kit"}
        signed = jwt.encode({"alg": "ES256", "kid": "one"}, claims, self._key)
        basic = base64.b64encode(f"user:{_TOKEN}".encode()).decode()
        return [
            f"{target}\n{header}\n{common}".encode()
            for target in ("/api/search?limit=2", f"/api/traces/{_TRACE}", "/api/access", "/api/v2/search/tags")
            for header in (
                f"authorization: Bearer {_TOKEN}",
                f"authorization: Basic {basic}",
                f"authorization: Bearer {signed}",
            )
            for common in (
                "x-scope-orgid: kit\naccept: application/protobuf\naccept-encoding: gzip;q=0.5, zstd, *;q=0",
                "x-scope-orgid: kit|other\nhost: localhost:3200\nif-none-match: *\nrange: bytes=0-1\norigin: null",
            )
        ]

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()


def _example(parameter: Mapping[str, Any]) -> str:
    """Return a value for a parameter that is described so."""
    schema = parameter["schema"]
    found = [*schema.get("examples", ()), *(value for value in (schema.get("default"),) if value not in (None, ""))]
    return str(found[0]) if found else "1"


def _headers(lines: Iterable[bytes]) -> Iterable[tuple[bytes, bytes]]:
    for line in lines:
        name, _, value = line.partition(b":")
        yield name.strip().lower(), value.strip()


async def _status(app: ASGIApp, path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    sent: list[Message] = []
    received: list[None] = []

    async def receive() -> Message:
        if not received:
            received.append(None)
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "state": {},
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


class Connection:
    """A connection to the HTTP server, over which bytes come in pieces."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, body: bytes) -> None:
        """Send bytes."""
        self._runner.run(self._send(body))

    async def _send(self, body: bytes) -> None:
        async def app(_: object, receive: Callable[[], Any], send: Callable[[Message], Any]) -> None:
            while (await receive()).get("more_body"):
                continue
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        config = Config(app, log_config=None, access_log=False, ws="none", lifespan="off")
        bounds = ConnectionBounds(ConnectionLimit(100))
        kind = type("Protocol", (HttpProtocol,), {"misdirected": Misdirected(MisdirectionLog()), "bounds": bounds})
        protocol = kind(config=config, server_state=ServerState(), app_state={})
        transport = Mock()
        transport.is_closing.return_value = False
        transport.get_extra_info.side_effect = {"peername": ("127.0.0.1", 9), "sockname": ("127.0.0.1", 8)}.get
        protocol.connection_made(transport)
        for at in range(0, len(body), 4096):
            protocol.data_received(body[at : at + 4096])
            if transport.close.called or transport.abort.called:
                break
        for _ in range(3):
            await asyncio.sleep(0)
        protocol.eof_received()
        protocol.connection_lost(None)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()
