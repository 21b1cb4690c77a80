"""Requests through the API to processes of a small function, and back."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.aws.local.authorizer import Authorizer
from tests.aws.local.fleet import Fleet
from tests.aws.local.gateway import LARGEST_REQUEST, Gateway
from tests.aws.local.instance import Function
from tests.aws.local.listening import Listener
from tests.aws.local.routes import Route
from tests.server_process import Answer, ask

ECHO = """
import json, os, time

def handler(event, context):
    what = event["rawPath"]
    if what == "/raise":
        raise ValueError("no")
    if what == "/exit":
        os._exit(7)
    if what == "/sleep":
        time.sleep(60)
    if what == "/large":
        return {"statusCode": 200, "body": "x" * 6_300_000}
    if what == "/answer":
        return json.loads(event["body"])
    if what == "/process":
        return os.getpid()
    if what == "/left":
        return context.get_remaining_time_in_millis()
    return event
"""
AUTHORIZE = """
def handler(event, context):
    identity, _ = event["identitySource"]
    if identity == "broken":
        return {"isAuthorized": "true"}
    return {"isAuthorized": identity == "good", "context": {"route": event["routeArn"], "body": "body" in event}}
"""


class Api:
    """The API, asked from another thread than its own."""

    def __init__(self, port: int, echo: Fleet, authorize: Fleet) -> None:
        self._port = port
        self.echo = echo
        self.authorize = authorize

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        return ask(self._port, method, path, headers=headers, body=body)

    def event(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Any:
        """The event that the function gets."""
        return self.ask(method, path, headers, body).json

    def answer(self, answer: Any) -> Answer:
        """Returns the API's answer when the function answers this."""
        return self.ask("POST", "/answer", {"Content-Type": "application/json"}, json.dumps(answer).encode())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("gateway")
    functions = [_function(folder, name, code) for name, code in (("echo", ECHO), ("authorize", AUTHORIZE))]
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_serving(folder, *functions)) as parts:
        yield Api(*parts)


def _function(folder: Path, name: str, code: str) -> Function:
    (folder / name).mkdir()
    (folder / name / "handler.py").write_text(code)
    return Function(name, folder / name, seconds=2.0)


@asynccontextmanager
async def _serving(logs: Path, echo: Function, authorize: Function) -> Any:
    fleets = [Fleet(function, logs, 2) for function in (echo, authorize)]
    routes = (Route("ANY /{all+}", "echo", authorized=False), Route("GET /closed/{what}", "echo"))
    listener = Listener(Gateway(routes, {"echo": fleets[0].invoke}, Authorizer(fleets[1].invoke)))
    yield int(listener.address.rpartition(":")[2]), *fleets
    await listener.stop()
    for fleet in fleets:
        await fleet.stop()


def test_an_event(api: Api) -> None:
    headers = {"X-Many": "a", "Cookie": "b=1; c=2", "User-Agent": "tests", "Connection": "keep-alive"}
    event = api.event("GET", "/a/b%20c?x=1&x=2&y=%2F", headers)
    about = event["requestContext"]
    assert {name: event.get(name) for name in ("version", "routeKey", "rawPath", "rawQueryString", "cookies")} == {
        "version": "2.0",
        "routeKey": "ANY /{all+}",
        "rawPath": "/a/b c",
        "rawQueryString": "x=1&x=2&y=%2F",
        "cookies": ["b=1", "c=2"],
    }
    assert event["queryStringParameters"] == {"x": "1,2", "y": "/"}
    assert event["pathParameters"] == {"all": "a/b c"}
    assert event["headers"]["x-many"] == "a"
    assert not {"cookie", "connection"} & set(event["headers"])
    assert about["http"] == {
        "method": "GET",
        "path": "/a/b c",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "tests",
    }
    assert (about["stage"], "authorizer" in about, "body" in event) == ("$default", False, False)


@pytest.mark.parametrize(
    ("media_type", "is_text"),
    [
        ("text/plain", True),
        ("application/json; charset=utf-8", True),
        ("application/xml", True),
        ("application/jsonl", False),
        ("application/x-protobuf", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_a_body_is_text_or_in_base64(api: Api, media_type: str, is_text: bool) -> None:
    event = api.event("POST", "/echo", {"Content-Type": media_type}, b"{}")
    assert (event["body"], event["isBase64Encoded"]) == (("{}", False) if is_text else ("e30=", True))


def test_bytes_that_are_no_text_survive_where_they_are_not_called_so(api: Api) -> None:
    body = gzip.compress(b"x" * 100)
    event = api.event("POST", "/echo", {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}, body)
    assert base64.b64decode(event["body"]) == body


@pytest.mark.parametrize(
    ("answer", "status", "media_type", "body"),
    [
        ({"statusCode": 204}, 204, "text/plain;charset=UTF-8", b""),
        ({"statusCode": 200, "headers": {"Content-Type": "a/b"}, "body": "x"}, 200, "a/b", b"x"),
        ({"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}, 200, "text/plain;charset=UTF-8", b"\0\1"),
        ({"no": "status"}, 200, "application/json", b'{"no": "status"}'),
        ("text", 200, "application/json", b'"text"'),
        ({"statusCode": "many"}, 500, "application/json", b'{"message":"Internal Server Error"}'),
        ({"statusCode": 200, "body": {}}, 200, "text/plain;charset=UTF-8", b""),
        ({"statusCode": 200, "body": {"a": 1}}, 500, "application/json", b'{"message":"Internal Server Error"}'),
        ({"statusCode": 200, "headers": ["a"]}, 500, "application/json", b'{"message":"Internal Server Error"}'),
        (
            {"statusCode": 200, "body": "?", "isBase64Encoded": True},
            500,
            "application/json",
            b'{"message":"Internal Server Error"}',
        ),
    ],
)
def test_an_answer(api: Api, answer: Any, status: int, media_type: str, body: bytes) -> None:
    given = api.answer(answer)
    assert (given.status, given.headers["content-type"], given.body) == (status, media_type, body)


def test_an_answer_sets_cookies(api: Api) -> None:
    assert api.answer({"statusCode": 200, "cookies": ["a=1"]}).headers["set-cookie"] == "a=1"


@pytest.mark.parametrize("path", ["/raise", "/exit", "/large", "/sleep"])
def test_a_function_that_fails_is_an_error_of_the_server(api: Api, path: str) -> None:
    answer = api.ask("GET", path)
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert api.ask("GET", "/echo").status == 200


def test_a_process_is_used_again(api: Api) -> None:
    assert len({api.event("GET", "/process") for _ in range(3)}) == 1


def test_a_function_knows_how_much_time_it_has(api: Api) -> None:
    assert 1000 < api.event("GET", "/left") <= 2000


@pytest.mark.parametrize("size", [LARGEST_REQUEST + 1, 6 << 20])
def test_a_request_that_is_too_large(api: Api, size: int) -> None:
    invocations = api.echo.invocations
    answer = api.ask("POST", "/echo", {"Content-Type": "application/x-protobuf"}, bytes(size))
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})
    assert api.echo.invocations == invocations


@pytest.mark.parametrize(
    ("identity", "status", "message"),
    [(None, 401, "Unauthorized"), ("bad", 403, "Forbidden"), ("broken", 500, "Internal Server Error")],
)
def test_the_authorizer_refuses(api: Api, identity: str | None, status: int, message: str) -> None:
    answer = api.ask("GET", "/closed/x", {"Authorization": identity} if identity else None)
    assert (answer.status, answer.json) == (status, {"message": message})


def test_the_authorizer_tells_the_function_who_it_is(api: Api) -> None:
    event = api.event("GET", "/closed/x", {"Authorization": "good"})
    route = "arn:aws:execute-api:us-east-1:123456789012:api/$default/GET/closed/{what}"
    assert event["requestContext"]["authorizer"] == {"lambda": {"route": route, "body": False}}


def test_the_authorizer_is_asked_once_about_a_header(api: Api) -> None:
    api.ask("GET", "/closed/x", {"Authorization": "good"})
    before = api.authorize.invocations
    for what in ("y", "z"):
        assert api.ask("GET", f"/closed/{what}", {"Authorization": "good"}).status == 200
    assert api.authorize.invocations == before
