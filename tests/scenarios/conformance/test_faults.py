"""Small cases: a few spans, one request and the right answer. The first release failed in most of them."""

import json
from typing import Any

import pytest

from tests.recorded import ORACLE, script
from tests.server_process import SpanlakeServer


def cases() -> list[Any]:
    """The cases, by their ids."""
    lines = (ORACLE / "faults.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["id"]) for case in map(json.loads, lines)]


@pytest.mark.parametrize("case", cases())
def test_fault(server: SpanlakeServer, case: dict[str, Any]) -> None:
    difference, _ = script(ORACLE / "faults.py").replay(server.tempo, server.otlp_http, case, f"fault-{case['id']}")
    assert difference is None
