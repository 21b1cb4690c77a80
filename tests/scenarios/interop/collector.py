"""The OpenTelemetry Collector in front of a server, configured as docs/send-traces.md has it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.documents import document, fenced, section
from tests.scenarios.interop.clients import prepared
from tests.server_process import SpanlakeServer, free_offset, patiently

_SPANLAKE = "localhost:5317"
_PORT = re.compile(r"(?<=localhost:)\d+")
_PATIENCE = 60  # seconds


@contextmanager
def in_front_of(server: SpanlakeServer, folder: Path) -> Iterator[int]:
    """By how much the ports of a Collector that sends to the server are moved."""
    (text,) = fenced(section(document("docs/send-traces.md"), "OpenTelemetry Collector"), "yaml")
    assert _SPANLAKE in text
    offset = free_offset()
    before, after = (_PORT.sub(lambda port: str(int(port[0]) + offset), part) for part in text.split(_SPANLAKE))
    file = folder / "collector.yaml"
    file.write_text(f"{before}{server.otlp_grpc}{after}")
    log = folder / "collector.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [prepared("collector") / "collector", "--config", file], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(process, offset, log)
        yield offset
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_for(process: "subprocess.Popen[bytes]", offset: int, log: Path) -> None:
    for _ in patiently():
        if process.poll() is not None:
            break
        if "Everything is ready" in log.read_text():
            return
    raise RuntimeError(f"the Collector is not ready:\n{log.read_text()}")
