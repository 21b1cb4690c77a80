"""Replays the requests of Grafana to a Tempo API, and checks the answers for all it reads: tests/data/grafana."""

import json
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from tests.recorded import DATA, script
from tests.server import SpanlakeServer

FOLDER = DATA / "grafana"
LINES = [json.loads(line) for line in (FOLDER / "requests.jsonl").read_text().splitlines()]


@dataclass(frozen=True)
class Loaded:
    """A server that holds the spans of the requests, whose times are seconds after ``base``."""

    server: SpanlakeServer
    check: ModuleType
    tenant: str
    base: int

    def difference(self, line: dict[str, Any]) -> str | None:
        """Returns the part that the answer to a request lacks, or None."""
        placed = json.loads(self.check.placed(json.dumps(line), self.base))
        found: str | None = self.check.check(self.server.tempo, placed, self.tenant)[0]
        return found


@pytest.fixture(scope="module")
def loaded(server: SpanlakeServer) -> Loaded:
    found = Loaded(server, script(FOLDER / "check.py"), "grafana", (int(time.time()) - 2400) // 600 * 600)
    found.check.load(server.otlp_http, FOLDER / "data.jsonl", found.base, found.tenant)
    return found


_NOT_RIGHT = {"search-04": "its traces leave out one without a service name, and its spans have the span of that trace"}
"""Lines that contradict themselves, and how."""


def _lines() -> list[Any]:
    marks = {number: [pytest.mark.xfail(reason=reason, strict=True)] for number, reason in _NOT_RIGHT.items()}
    return [pytest.param(line, id=line["id"], marks=marks.get(line["id"], [])) for line in LINES]


@pytest.mark.parametrize("line", _lines())
def test_request_of_grafana(loaded: Loaded, line: dict[str, Any]) -> None:
    assert loaded.difference(line) is None
