"""Builds the input of functions: events of API Gateway and of streams, and the context."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode


@dataclass(frozen=True)
class Context:
    """As much of a context as is looked at."""

    function_name: str = "spanlake"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:spanlake"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"
    left_ms: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def http_event(
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request as an HTTP API hands it on, payload format 2.0."""
    about = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "tests"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"host": "x.execute-api.us-east-1.amazonaws.com", **(headers or {})},
        "requestContext": {"http": about, "stage": "$default", "requestId": "id"},
        "isBase64Encoded": bool(body),
    }
    if authorizer is not None:
        event["requestContext"]["authorizer"] = authorizer  # type: ignore[index]
    return event | ({"body": base64.b64encode(body).decode()} if body else {})


def stream_event(keys: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A batch of a table's stream with the keys alone; sequence numbers are 0, 1, 2 and so on."""
    records = [
        {
            "eventID": str(number),
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": {"pk": {"S": pk}, "sk": {"S": sk}},
                "SequenceNumber": str(number),
                "StreamViewType": "KEYS_ONLY",
            },
        }
        for number, (pk, sk) in enumerate(keys)
    ]
    return {"Records": records}


def body_of(answer: Mapping[str, Any]) -> bytes:
    """The body of a function's answer."""
    text: str = answer.get("body", "")
    return base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()


def rest_event(
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A request as a REST API hands it on, one with binary media types."""
    sent = {"Host": "x.execute-api.us-east-1.amazonaws.com", **(headers or {})}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(query or {}) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "requestId": "rest-id",
            "stage": "live",
            "path": f"/live{path}",
            "identity": {"sourceIp": "192.0.2.1", "userArn": None},
            **({"authorizer": dict(authorizer)} if authorizer is not None else {}),
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def balancer_event(
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> dict[str, Any]:
    """A request as an Application Load Balancer hands it on, which does not decode its query."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1"}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": dict(parse_qsl(urlencode(query or {}))),
        "headers": {"host": "x.elb.amazonaws.com", "x-amzn-trace-id": "Root=1-5759e988-bd862e3f", **(headers or {})},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": bool(body),
    }


def url_event(method: str, path: str, **about: Any) -> dict[str, Any]:
    """A request as a function URL hands it on."""
    event = http_event(method, path, **about)
    event["requestContext"]["domainName"] = "abc.lambda-url.us-east-1.on.aws"
    return event
