"""Every recorded payload of Jaeger and Zipkin over HTTP, sent through the HTTP API: the traces are those recorded."""

import base64
from typing import Any

import pytest

from tests.aws.end_to_end.kit import speaking_for
from tests.aws.local.stack import Stack
from tests.scenarios.conformance.test_protocols import as_recorded, protocols

OVER_HTTP = ("jaeger-thrift-http", "zipkin-")
PATIENCE = 0.0  # what is acknowledged is found


MANGLED = pytest.mark.xfail(strict=True, reason="an HTTP API takes JSON for text, also where it is compressed")


def over_http() -> list[Any]:
    found = [param.values[0] for param in as_recorded() if param.values[0]["protocol"].startswith(OVER_HTTP)]
    return [pytest.param(case, id=case["id"], marks=[MANGLED] if _is_compressed_json(case) else []) for case in found]


def _is_compressed_json(case: dict[str, Any]) -> bool:
    return "json" in (case.get("content_type") or "") and "Content-Encoding" in (case.get("headers") or {})


@pytest.mark.parametrize("case", over_http())
def test_trace_is_as_recorded(stack: Stack, case: dict[str, Any]) -> None:
    module = protocols()
    headers = dict(case.get("headers") or {})
    if case.get("content_type"):
        headers["Content-Type"] = case["content_type"]
    with speaking_for("protocols"):
        status = module.post(f"{stack.url}{case['path']}", base64.b64decode(case["payload"]), headers)
        assert module.compare(stack.url, case, status, PATIENCE) is None
