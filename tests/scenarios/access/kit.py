"""Tokens of two teams, and clients of every protocol that send with them."""

import json
import socket
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc

from spanlake.auth.access import Role
from spanlake.auth.tokens import line_of
from tests.edge.test_span_streams import EXPORT as CENSUS_EXPORT
from tests.edge.test_span_streams import POST_SPANS, census
from tests.payloads import export_request
from tests.receivers import jaeger_spans
from tests.receivers.jaeger.test_protobuf import posted, span
from tests.receivers.opencensus.test_translate import NODE
from tests.server_process import Answer, SpanlakeServer, ask

SHOP, BANK = "token-of-the-shop", "token-of-the-bank"
WRITER, READER, DELETER, ADMIN, BOTH = (
    f"token-of-the-{name}" for name in ("writer", "reader", "deleter", "admin", "auditor")
)
_USUAL = (Role.WRITE, Role.READ)
LINES = (
    line_of(SHOP, ["shop"], _USUAL, "shop"),
    line_of(BANK, ["bank"], _USUAL, "bank"),
    line_of(WRITER, ["shop"], [Role.WRITE]),
    line_of(READER, ["shop"], [Role.READ]),
    line_of(DELETER, ["shop"], [Role.DELETE]),
    line_of(ADMIN, ["*"], [Role.ADMIN]),
    line_of(BOTH, ["shop", "bank"], _USUAL),
)
TRACE = (b"t" * 16).hex()
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
Headers = Mapping[str, str]


def token_file(directory: Path, lines: Sequence[str] = LINES) -> Path:
    """Write a file of tokens."""
    path = directory / "tokens"
    path.write_text("\n".join(["# teams", *lines, ""]))
    return path


def bearer(token: str, tenant: str | None = None) -> dict[str, str]:
    """Headers with a token, and a tenant where one is named."""
    return {"Authorization": f"Bearer {token}"} | ({} if tenant is None else {"X-Scope-OrgID": tenant})


def basic(token: str) -> dict[str, str]:
    """Headers with a token as Grafana sends it."""
    return {"Authorization": f"Basic {b64encode(f'grafana:{token}'.encode()).decode()}"}


def get(server: SpanlakeServer, path: str, headers: Headers, method: str = "GET", port: int = 3200) -> Answer:
    """Ask the Tempo API."""
    return ask(port + server.offset, method, path, headers=headers)


def _post(port: int, path: str, content_type: str, body: bytes) -> "Callable[[SpanlakeServer, Headers], str]":
    def send(server: SpanlakeServer, headers: Headers) -> str:
        sent = {"Content-Type": content_type, **headers}
        return str(ask(port + server.offset, "POST", path, body=body, headers=sent).status)

    return send


def _call(
    port: int, method: str, body: bytes, *, is_stream: bool = False
) -> "Callable[[SpanlakeServer, Headers], str]":
    def send(server: SpanlakeServer, headers: Headers) -> str:
        metadata = tuple((name.lower(), value) for name, value in headers.items())
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.insecure_channel(f"127.0.0.1:{port + server.offset}", options) as channel:
            try:
                if is_stream:
                    list(channel.stream_stream(method, bytes, bytes)(iter([body]), metadata=metadata, timeout=60))
                else:
                    channel.unary_unary(method, bytes, bytes)(body, metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                return str(error.code().name)
        return "OK"

    return send


_ZIPKIN = [{"traceId": "7a" * 16, "id": "7a" * 8, "name": "zipkin", "timestamp": 1, "duration": 1}]
_OTLP = export_request("otlp").SerializeToString()

SENDERS: Mapping[str, Callable[[SpanlakeServer, Headers], str]] = {
    "otlp-http": _post(4318, "/v1/traces", "application/x-protobuf", _OTLP),
    "zipkin": _post(9411, "/api/v2/spans", "application/json", json.dumps(_ZIPKIN).encode()),
    "jaeger-http": _post(
        14268, "/api/traces", "application/x-thrift", jaeger_spans.over_http(jaeger_spans.batch(jaeger_spans.span()))
    ),
    "otlp-grpc": _call(4317, EXPORT, _OTLP),
    "jaeger-grpc": _call(14250, POST_SPANS, posted(span())),
    "opencensus": _call(55678, CENSUS_EXPORT, census("census", node=NODE), is_stream=True),
}
"""A client of each protocol that has a place for credentials; it returns the status as its protocol writes it."""


def send_datagram(server: SpanlakeServer) -> None:
    """Send a span by UDP."""
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        datagram = jaeger_spans.compact_call(jaeger_spans.batch(jaeger_spans.span()))
        sender.sendto(datagram, ("127.0.0.1", 6831 + server.offset))


def tenants_in(data: Path) -> set[str]:
    """The tenants that have blocks in a data directory."""
    return {path.name.partition("=")[2] for path in (data / "spans").glob("tenant=*") if any(path.rglob("*.parquet"))}
