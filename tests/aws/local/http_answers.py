"""Translates a function's answer to HTTP as an HTTP API does (payload format 2.0), a missing answer too.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

_DEFAULT_TYPE = "text/plain;charset=UTF-8"
_ITS_OWN = frozenset({"content-length", "connection", "transfer-encoding", "date"})

_MESSAGES = {
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "Not Found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Entity Too Large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal Server Error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Unavailable",
}


def refusal(status: HTTPStatus) -> Response:
    """An answer of the API's own."""
    return JSONResponse({"message": _MESSAGES[status]}, status)


def response_of(answer: bytes) -> Response:
    """The response that a function's answer stands for; a malformed one is an error of the server."""
    try:
        return _response(json.loads(answer))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _response(answer: Any) -> Response:
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), media_type="application/json")
    response = Response(_body(answer), int(answer["statusCode"]))
    headers = _headers(answer.get("headers") or {})
    headers.setdefault("content-type", _DEFAULT_TYPE)
    for name, value in headers.items():
        response.headers[name] = value
    for cookie in answer.get("cookies") or ():
        response.headers.append("set-cookie", cookie)
    return response


def _headers(headers: Mapping[str, object]) -> dict[str, str]:
    given = {name.lower(): str(value) for name, value in headers.items()}
    return {name: value for name, value in given.items() if name not in _ITS_OWN}


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise TypeError("a body is a string")
    return base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
