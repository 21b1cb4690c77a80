"""Zipkin over HTTP: ``/api/v2/spans`` takes JSON and protobuf, ``/api/v1/spans`` takes JSON and Thrift."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from starlette.routing import Route

from spanlake.api.errors import UnsupportedMediaType
from spanlake.api.span_posts import SpanPosts
from spanlake.ingest.request import Format
from spanlake.ingest.service import Ingest
from spanlake.receivers import zipkin_json, zipkin_proto, zipkin_v1_json, zipkin_v1_thrift

_JSON = "application/json"
_V1_JSON = Format.of_each("zipkin-v1-json", zipkin_v1_json.spans)
_V1_THRIFT = Format.of_each("zipkin-v1-thrift", zipkin_v1_thrift.spans)
_V2_JSON = Format.of_each("zipkin-v2-json", zipkin_json.spans)
_V2_PROTO = Format.of_each("zipkin-v2-proto", zipkin_proto.spans)
_FORMATS: Mapping[str, Mapping[str, Format]] = {
    "v2": {_JSON: _V2_JSON, "": _V2_JSON, "application/x-protobuf": _V2_PROTO},
    "v1": {_JSON: _V1_JSON, "": _V1_JSON, "application/x-thrift": _V1_THRIFT},
}
"""By version and media type; without one it is JSON."""


def zipkin_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Where spans are sent."""
    return [
        Route(
            f"/api/{version}/spans",
            SpanPosts(ingest, slow, f"zipkin-{version}", _chooser(formats)),
        )
        for version, formats in _FORMATS.items()
    ]


def _chooser(formats: Mapping[str, Format]) -> Callable[[str], Format]:
    def choose(media_type: str) -> Format:
        if media_type not in formats:
            known = " or ".join(filter(None, formats))
            raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {known}")
        return formats[media_type]

    return choose
