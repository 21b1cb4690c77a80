"""Every recorded payload of Jaeger and Zipkin over HTTP, sent through the HTTP API: the traces are those recorded."""

import base64
from typing import Any

import pytest

from tests.aws.end_to_end.kit import speaking_for
from tests.aws.local.stack import Stack
from tests.scenarios.conformance.test_protocols import as_recorded, protocols

OVER_HTTP = ("jaeger-thrift-http", "zipkin-")
PATIENCE = 0.0  # what is acknowledged is found


def over_http() -> list[Any]:
    found = [param.values[0] for param in as_recorded() if param.values[0]["protocol"].startswith(OVER_HTTP)]
    return [pytest.param(case, id=case["id"]) for case in found]


def _is_compressed_json(case: dict[str, Any]) -> bool:
    return "json" in (case.get("content_type") or "") and "Content-Encoding" in (case.get("headers") or {})


COMPRESSED_JSON = [param for param in over_http() if _is_compressed_json(param.values[0])]
INTACT = [param for param in over_http() if not _is_compressed_json(param.values[0])]


def send(url: str, case: dict[str, Any]) -> Any:
    """Status of a recorded payload sent to an API."""
    headers = dict(case.get("headers") or {})
    if case.get("content_type"):
        headers["Content-Type"] = case["content_type"]
    return protocols().post(f"{url}{case['path']}", base64.b64decode(case["payload"]), headers)


@pytest.mark.parametrize("case", INTACT)
def test_trace_is_as_recorded(stack: Stack, case: dict[str, Any]) -> None:
    with speaking_for("protocols"):
        status = send(stack.url, case)
        assert protocols().compare(stack.url, case, status, PATIENCE) is None


@pytest.mark.parametrize("case", over_http())
def test_trace_that_came_by_the_rest_api_is_as_recorded(stack: Stack, case: dict[str, Any]) -> None:
    with speaking_for("rest"):
        status = send(stack.rest_url, case)
        assert protocols().compare(stack.url, case, status, PATIENCE) is None


@pytest.mark.parametrize("case", COMPRESSED_JSON)
def test_compressed_json_is_refused_by_an_http_api_that_takes_it_for_text(stack: Stack, case: dict[str, Any]) -> None:
    with speaking_for("protocols"):
        assert send(stack.url, case) == 415


def test_strangers_get_nothing_through_the_rest_api(stack: Stack) -> None:
    assert send(stack.rest_url, COMPRESSED_JSON[0].values[0]) == 403
