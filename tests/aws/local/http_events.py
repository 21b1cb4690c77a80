"""Translates a request to an event as an HTTP API does (payload format 2.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
Details that it leaves open are as people have observed them: bodies are text for the media types of _TEXT alone, and
paths are decoded, and end at a question mark that was encoded.
"""

import base64
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.requests import Request

from tests.aws.local.routes import Match

DOMAIN = "api.execute-api.us-east-1.amazonaws.com"

_TEXT = re.compile(r"\s*(text/.*|application/(json|xml|javascript)\s*(;.*)?)", re.IGNORECASE)
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade"})

Event = dict[str, Any]


def path_of(request: Request) -> str:
    """The path as routes and functions see it."""
    path: str = request.scope["path"]
    return path.partition("?")[0]


def event_of(request: Request, match: Match, body: bytes) -> Event:
    """The event of a request, but for what the authorizer found out."""
    headers = _headers(request)
    query = request.scope["query_string"].decode("latin-1")
    event: Event = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": path_of(request),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _context(request, match, headers),
        "isBase64Encoded": False,
    }
    if cookies := request.headers.getlist("cookie"):
        event["cookies"] = [cookie.strip() for line in cookies for cookie in line.split(";")]
    if query:
        event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if match.parameters:
        event["pathParameters"] = dict(match.parameters)
    return event | _body(body, headers.get("content-type", ""))


def _headers(request: Request) -> dict[str, str]:
    sent = [(name, value) for name, value in request.headers.items() if name not in {*_OF_THE_CONNECTION, "cookie"}]
    added = {
        "host": DOMAIN,
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]}",
        "x-forwarded-for": _client(request),
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    return _joined(sent) | added


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _context(request: Request, match: Match, headers: Mapping[str, str]) -> Event:
    now = datetime.now(UTC)
    return {
        "accountId": "123456789012",
        "apiId": "api",
        "domainName": DOMAIN,
        "domainPrefix": "api",
        "http": {
            "method": request.method,
            "path": path_of(request),
            "protocol": f"HTTP/{request.scope['http_version']}",
            "sourceIp": _client(request),
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid4().hex[:16],
        "routeKey": match.route.key,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _body(body: bytes, media_type: str) -> Event:
    if not body:
        return {}
    if _TEXT.fullmatch(media_type):
        return {"body": body.decode(errors="replace")}
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
