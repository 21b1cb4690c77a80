"""Zipkin's reporter for Java, in each of its encodings, with trace ids of 64 bits."""

from pathlib import Path

import pytest

from tests.scenarios.interop import kitchen
from tests.scenarios.interop.clients import java
from tests.scenarios.interop.ports import moved
from tests.server_process import SpanlakeServer

_PROGRAM = Path(__file__).parent / "encoders" / "Kitchen.java"
_SERVICES = ("zipkin-json-v2", "zipkin-proto3", "zipkin-json-v1", "zipkin-thrift")


@pytest.fixture(scope="module")
def sent(server: SpanlakeServer, tmp_path_factory: pytest.TempPathFactory) -> SpanlakeServer:
    """The server, which the program has sent to."""
    java(moved(_PROGRAM.read_text(), server.offset), tmp_path_factory.mktemp("encoders"))
    return server


@pytest.mark.parametrize("service", _SERVICES)
def test_every_encoding_is_read(sent: SpanlakeServer, service: str) -> None:
    breakfast, eggs = kitchen.check(sent, service, "6")
    assert breakfast.trace_id == eggs.trace_id
    assert breakfast.trace_id[:8] == bytes(8)
