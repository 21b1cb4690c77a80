"""Every recorded payload of Jaeger, Zipkin and OpenCensus, sent to a running server: the traces are those recorded."""

import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from spanlake.spans.otlp.validate import explain
from tests.recorded import FOLDER, checker, script
from tests.server_process import SpanlakeServer, ask

CASES = FOLDER / "protocols" / "cases.jsonl.gz"
PATIENCE = 20.0  # seconds until the spans of a datagram must be found


def protocols() -> ModuleType:
    """The module that sends the payloads."""
    return script(FOLDER / "protocols" / "check_protocols.py")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server of these tests' own: their spans have no tenant."""
    server = SpanlakeServer(tmp_path_factory.mktemp("receiver") / "data").wait_until_ready()
    try:
        yield server
    finally:
        server.stop()


KEPT = {
    "zipkin-v2-json-03": 1,  # an address that is none is left out
    "zipkin-v2-json-13": 1,  # an annotation without a time is left out
    "zipkin-v2-proto-04": 1,  # a trace id of 64 bits, as Zipkin's own clients send it
}
"""Of requests that Tempo refuses and spanlake takes as a rule of its own, how many spans can be had."""


def cases() -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in checker().load(CASES)]


def as_recorded() -> list[Any]:
    """The cases whose recorded answer is right."""
    return [param for param in cases() if param.values[0]["id"] not in KEPT]


def kept(case: dict[str, Any]) -> bool:
    """True where the rule is that good spans are stored, whatever the reference did with them."""
    return bool(case.get("free")) or case["id"] in KEPT


@pytest.mark.parametrize("case", as_recorded())
def test_trace_is_as_recorded(receiver: SpanlakeServer, case: dict[str, Any]) -> None:
    module = protocols()
    status = module.send("127.0.0.1", receiver.offset, case)
    assert module.compare(receiver.tempo, case, status, PATIENCE) is None


GOOD_SPANS = {
    "jaeger-thrift-http-37": 1,
    "jaeger-thrift-binary-udp-05": 1,
    "jaeger-grpc-11": 1,
    "zipkin-v2-json-12": 2,
    "zipkin-v2-json-26": 1,
    "zipkin-v2-json-27": 1,
    "zipkin-v2-proto-05": 1,
    "zipkin-v1-json-03": 1,
    "zipkin-v1-json-05": 1,
    "zipkin-v1-json-11": 2,
    "zipkin-v1-json-15": 4,
    "zipkin-v1-json-17": 4,
} | KEPT
"""Of requests that Tempo refuses, how many spans can be had."""


@pytest.mark.parametrize("case", [param for param in cases() if kept(param.values[0])])
def test_what_is_good_is_kept(receiver: SpanlakeServer, case: dict[str, Any]) -> None:
    """Also when it was sent by another test already: it is the same trace."""
    module = protocols()
    module.send("127.0.0.1", receiver.offset, case)
    (trace_id,) = case["traces"]

    def spans() -> int:
        answer = receiver.get(f"/api/traces/{trace_id}")
        batches = answer.json["batches"] if answer.status == 200 else []  # type: ignore[index]
        return sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"])

    receiver.wait_for(lambda: spans() > 0)
    assert spans() == GOOD_SPANS[case["id"]]


@pytest.mark.parametrize("span_id", ["", "0", "no id", "1" * 17])
def test_zipkin_request_without_any_good_span_is_refused_in_words(receiver: SpanlakeServer, span_id: str) -> None:
    body = json.dumps([{"traceId": "beef", "id": span_id, "timestamp": 1_795_348_800_000_000}]).encode()
    answer = ask(
        9411 + receiver.offset, "POST", "/api/v2/spans", body=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.body) == (400, f"{explain({'invalid_span_id': 1})}\n".encode())
    assert receiver.get("/api/traces/beef").status == 404
