"""HTTP events of Lambda: which service sent one, its size limits, the path below the prefix, and damaged bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Event = Mapping[str, Any]

_MIB = 1 << 20
_DEFAULT_STAGE = "$default"
_REPLACEMENT = "\ufffd"
_GZIP = f"\x1f{_REPLACEMENT}\x08"
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
_DAMAGED = (
    "the body was damaged on its way: API Gateway hands compressed JSON on as text, in which bytes are lost. Send JSON "
    "without compression, send protobuf (application/x-protobuf), or send to a REST API with binary media types */*"
)


class Source(StrEnum):
    """The service that sent an event."""

    HTTP_API = "HTTP API"
    REST_API = "REST API"
    LOAD_BALANCER = "load balancer"
    FUNCTION_URL = "function URL"

    @property
    def answer_bytes(self) -> int:
        """Limit of a function's answer as JSON: 6 MB by Lambda's quotas, 1 MB behind an Application Load Balancer."""
        return _MIB if self is Source.LOAD_BALANCER else 6 * _MIB


def source_of(event: Event) -> Source:
    """Find the service that sent an event, by the fields that only its events have."""
    context = event.get("requestContext") or {}
    if "elb" in context:
        return Source.LOAD_BALANCER
    if "httpMethod" in event:
        return Source.REST_API  # and HTTP APIs with payload format 1.0, which is a REST API's
    return Source.FUNCTION_URL if ".lambda-url." in str(context.get("domainName", "")) else Source.HTTP_API


def request_id(event: Event) -> str | None:
    """Return the id under which API Gateway, or the function URL, logs the request.

    A load balancer has its trace id alone.
    """
    context = event.get("requestContext") or {}
    return context.get("requestId") or header(event, "x-amzn-trace-id")


def correlation_id(event: Event) -> str | None:
    """Return the id in the client's own logs: X-Request-Id, or the trace id of traceparent or X-Amzn-Trace-Id."""
    if given := header(event, "x-request-id"):
        return given[:128]
    if parent := header(event, "traceparent"):
        return parent.split("-")[1] if parent.count("-") >= 3 else None
    return header(event, "x-amzn-trace-id")


def authorizer_of(event: Event) -> Mapping[str, Any] | None:
    """Return the finding of the authorizer as HTTP APIs lay it out, under ``lambda``, ``jwt`` or ``iam``; or None."""
    context = event.get("requestContext") or {}
    found = context.get("authorizer")
    if source_of(event) is not Source.REST_API:
        return found or None
    if found and isinstance(found.get("claims"), Mapping):  # of a Cognito user pool
        return {"jwt": {"claims": found["claims"]}}
    if found:
        return {"lambda": found}
    identity = context.get("identity") or {}
    return {"iam": identity} if identity.get("userArn") else None


def is_damaged(event: Event) -> bool:
    """True for a body of bytes that was handed on as text: what is no UTF-8 in it is lost.

    Compressed bodies are recognised by their header or their first bytes, others by their type.
    """
    body = event.get("body")
    if not isinstance(body, str) or event.get("isBase64Encoded") or _REPLACEMENT not in body:
        return False
    coding = (header(event, "content-encoding") or "identity").strip().lower()
    media_type = (header(event, "content-type") or "").strip().lower()
    return body.startswith(_GZIP) or coding != "identity" or not media_type.startswith(_TEXT_TYPES)


def header(event: Event, name: str) -> str | None:
    """Return a header, as it was sent, of an event of a REST API or a load balancer, which have either form."""
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    for key, values in (event.get("multiValueHeaders") or {}).items():
        if key.lower() == name and values:
            return str(values[-1])
    return None


@dataclass(frozen=True, slots=True)
class BasePath:
    """Takes the stage's name and a prefix off the paths that the application sees."""

    app: ASGIApp
    prefix: str
    """Such as ``/spanlake``; empty for none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = below(scope["path"], _stage_prefix(scope["aws.event"]))
        await self.app({**scope, "path": below(path, self.prefix)}, receive, send)


def _stage_prefix(event: Event) -> str:
    """Return the stage's name as a path: with it paths begin at an HTTP API's own address, and at no other domain."""
    context = event.get("requestContext") or {}
    stage = context.get("stage", _DEFAULT_STAGE)
    is_own = source_of(event) is Source.HTTP_API and ".execute-api." in str(context.get("domainName", ""))
    return f"/{stage}" if is_own and stage != _DEFAULT_STAGE else ""


def below(path: str, prefix: str) -> str:
    """Return the part of a path after a prefix of whole segments.

    A path that has another beginning is returned as it is.
    """
    if not prefix or not (path == prefix or path.startswith(f"{prefix}/")):
        return path
    return path[len(prefix) :] or "/"


@dataclass(frozen=True, slots=True)
class IntactBodies:
    """Answers requests whose bodies were damaged with 415 and advice."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not is_damaged(scope["aws.event"]):
            await self.app(scope, receive, send)
            return
        headers = Headers({"accept-encoding": "identity"})
        await PlainTextResponse(f"{_DAMAGED}\n", 415, dict(headers))(scope, receive, send)
