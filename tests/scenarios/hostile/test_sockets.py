"""A short run of random bytes at every port of a running server; `make fuzz-input` makes longer ones."""

from collections.abc import Iterator, Mapping

import pytest

from spanlake.server import ports
from tests.scenarios.hostile import sockets
from tests.scenarios.hostile.fuzz import fuzz
from tests.scenarios.hostile.targets import Fuzzed

PORTS = [port.name for port in ports.ALL if port not in ports.OFF]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Fuzzed]]:
    with sockets.running(tmp_path_factory.mktemp("ports") / "data") as found:
        yield found


@pytest.mark.parametrize("name", PORTS)
def test_random_bytes_at_a_port_break_nothing(every: Mapping[str, Fuzzed], name: str) -> None:
    assert fuzz(name, every[f"port {name}"], seed=24, inputs=40).faults == []
