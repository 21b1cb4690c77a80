"""Go's OTLP exporter over gRPC in the compressions of the Collector: read, or refused with what is read."""

from pathlib import Path

from tests.scenarios.interop import kitchen
from tests.scenarios.interop.clients import go
from tests.scenarios.interop.ports import moved
from tests.server_process import SpanlakeServer

_PROGRAM = Path(__file__).parent / "compression" / "main.go"


def test_compressions_are_read_or_refused_with_those_that_are(server: SpanlakeServer, tmp_path: Path) -> None:
    printed = go(moved(_PROGRAM.read_text(), server.offset), tmp_path)
    outcomes = dict(line.split(": ", 1) for line in printed.splitlines())
    assert outcomes["gzip"] == "<nil>"
    kitchen.check(server, "go-grpc-gzip", 6)
    for coding in ("zstd", "snappy"):
        assert "code = Unimplemented" in outcomes[coding]
        assert f"grpc-encoding '{coding}' is not supported: use gzip, deflate or none" in outcomes[coding]
