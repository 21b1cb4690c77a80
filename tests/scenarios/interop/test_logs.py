"""Log lines that name their traces, and the data sources of Grafana that lead from one to the other."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.documents import document, fenced, section
from tests.scenarios.interop import kitchen
from tests.scenarios.interop.clients import python
from tests.scenarios.interop.ports import moved
from tests.server_process import SpanlakeServer

_LOGS = section(document("docs/send-traces.md"), "Logs that lead to traces, and back")


@pytest.fixture(scope="module")
def sources() -> dict[str, Any]:
    """The data sources by type."""
    (text,) = fenced(_LOGS, "yaml")
    provisioned = yaml.safe_load(text)
    assert provisioned["apiVersion"] == 1
    return {source["type"]: source for source in provisioned["datasources"]}


def test_a_line_leads_to_its_trace_and_the_trace_to_the_line(
    sources: dict[str, Any], server: SpanlakeServer, tmp_path: Path
) -> None:
    (program,) = fenced(_LOGS, "python")
    line = python("otlp")(moved(program, server.offset), tmp_path).strip()
    _, eggs = kitchen.check(server, "python-logging", 6)

    (to_trace,) = sources["loki"]["jsonData"]["derivedFields"]
    found = re.search(to_trace["matcherRegex"], line)
    assert found is not None
    assert found[1] == eggs.trace_id.hex()
    assert f"span_id={eggs.span_id.hex()} the eggs are cracked" in line

    query = _in_grafana(sources["tempo"]["jsonData"]["tracesToLogsV2"]["query"])
    selected, _, wanted = query.partition(" |= ")
    assert selected == "{${__tags}}"
    assert wanted.replace("${__span.traceId}", eggs.trace_id.hex()).strip('"') in line


def test_the_data_sources_lead_to_each_other(sources: dict[str, Any]) -> None:
    to_logs = sources["tempo"]["jsonData"]["tracesToLogsV2"]
    assert to_logs["datasourceUid"] == sources["loki"]["uid"]
    assert to_logs["customQuery"] is True
    (to_trace,) = sources["loki"]["jsonData"]["derivedFields"]
    assert to_trace["datasourceUid"] == sources["tempo"]["uid"]
    assert _in_grafana(to_trace["url"]) == "${__value.raw}"


def test_the_data_source_is_the_server(sources: dict[str, Any], server: SpanlakeServer) -> None:
    assert moved(sources["tempo"]["url"], server.offset) == server.tempo.replace("127.0.0.1", "localhost")
    assert server.get("/api/echo").body == b"echo"


def _in_grafana(value: str) -> str:
    """A value as Grafana reads it from a file, where a single dollar would stand for a variable of its environment."""
    assert re.search(r"(?<!\$)\$(?!\$)", value) is None
    return value.replace("$$", "$")
