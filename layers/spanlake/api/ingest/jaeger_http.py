"""Jaeger over HTTP: Thrift at ``/api/traces``."""

from concurrent.futures import Executor

from starlette.routing import Route

from spanlake.api.errors import UnsupportedMediaType
from spanlake.api.ingest.uploads import SpanPosts
from spanlake.ingest.request import Format
from spanlake.ingest.service import Ingest
from spanlake.receivers.jaeger import thrift

PATH = "/api/traces"
PROTOCOL = "jaeger-http"  # as metrics name it

_FORMAT = Format(PROTOCOL, thrift.http_batches)
_MEDIA_TYPES = ("application/x-thrift", "application/vnd.apache.thrift.binary")


def jaeger_routes(ingest: Ingest, slow: Executor) -> list[Route]:
    """Where spans are sent."""
    return [Route(PATH, SpanPosts(ingest, slow, PROTOCOL, _format_of))]


def _format_of(media_type: str, _: bytes) -> Format:
    if media_type not in _MEDIA_TYPES:
        raise UnsupportedMediaType(f"Content-Type {media_type[:80]!r} is not supported: use {_MEDIA_TYPES[0]}")
    return _FORMAT
