"""Zipkin over HTTP: ``/api/v2/spans`` takes JSON and protobuf, ``/api/v1/spans`` takes JSON and Thrift.

JSON is taken under any content type: clients send what ``fetch``, ``sendBeacon`` and ``curl -d`` put there. A page of
any origin can therefore send spans to these paths without asking first (a preflight); OTLP's paths refuse that.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.routing import Route

from spanlake.api.errors import UnsupportedMediaType
from spanlake.api.ingest.uploads import SpanPosts
from spanlake.ingest.request import Format, imported
from spanlake.ingest.service import Ingest
from spanlake.receivers.detection import is_json
from spanlake.receivers.translation import Translated

_JSON = "application/json"
_PROTOBUF, _THRIFT = "application/x-protobuf", "application/x-thrift"


@dataclass(frozen=True, slots=True)
class _Version:
    """The formats of one version of Zipkin's API."""

    json: Format
    binary: Mapping[str, Format]  # by media type

    def format_of(self, media_type: str, body: bytes) -> Format:
        """Return the format of a body: JSON where it is that by its bytes, as in Zipkin's own server."""
        if media_type in self.binary and not _is_json_list(body):
            return self.binary[media_type]
        if media_type in (_JSON, "") or is_json(body):
            return self.json
        known = " or ".join((_JSON, *self.binary))
        raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {known}")


def _spans(module: str) -> Callable[[bytes], Translated]:
    return imported(f"spanlake.receivers.zipkin.{module}", "spans")


_VERSIONS: Mapping[str, _Version] = {
    "v2": _Version(
        Format.of_each("zipkin-v2-json", _spans("v2_json")),
        {_PROTOBUF: Format.of_each("zipkin-v2-proto", _spans("v2_protobuf"))},
    ),
    "v1": _Version(
        Format.of_each("zipkin-v1-json", _spans("v1_json")),
        {_THRIFT: Format.of_each("zipkin-v1-thrift", _spans("v1_thrift"))},
    ),
}


def zipkin_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Where spans are sent."""
    return [
        Route(f"/api/{version}/spans", SpanPosts(ingest, slow, f"zipkin-{version}", formats.format_of))
        for version, formats in _VERSIONS.items()
    ]


def _is_json_list(body: bytes) -> bool:
    """True where a body that is called binary is JSON. A list in protobuf may begin like JSON: both with ``\\n[``."""
    return is_json(body) and body[-64:].rstrip().endswith(b"]")
