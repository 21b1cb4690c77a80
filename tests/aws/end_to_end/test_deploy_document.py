"""The first trace of docs/deploy-aws.md, by its own commands, through API, authorizer and functions."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.aws.end_to_end.kit import get, token
from tests.aws.local.stack import Stack
from tests.documents import document, fenced, section

TENANT = "documented"
CURL, SETTINGS = fenced(section(document("docs/deploy-aws.md"), "The first trace"), "sh")


def run(stack: Stack, commands: str) -> str:
    """Returns the output of commands whose environment has the URL of the stack and a token."""
    environment = {**os.environ, "SPANLAKE_URL": stack.url, "SPANLAKE_TOKEN": token(TENANT)}
    command = ["bash", "-euc", commands]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def answers(said: str) -> Iterator[Any]:
    """JSON after JSON, without anything between."""
    while said:
        answer, end = json.JSONDecoder().raw_decode(said)
        yield answer
        said = said[end:]


def test_curl(stack: Stack) -> None:
    stored, trace, search = answers(run(stack, CURL))
    assert stored == {}
    assert [span["name"] for span in trace["batches"][0]["scopeSpans"][0]["spans"]] == ["make breakfast"]
    assert [found["rootServiceName"] for found in search["traces"]] == ["my-service"]


def test_an_sdk_by_its_environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in run(stack, f"{SETTINGS}\nenv").splitlines():
        name, _, value = line.partition("=")
        if name.startswith("OTEL_"):
            monkeypatch.setenv(name, value)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    with provider.get_tracer("tests").start_as_current_span("boil eggs") as span:
        trace = f"{span.get_span_context().trace_id:032x}"
    provider.shutdown()
    assert b"boil eggs" in get(stack, TENANT, f"/api/traces/{trace}").body
