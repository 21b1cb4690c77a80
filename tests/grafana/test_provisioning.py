"""Tests the files that Grafana is provisioned with."""

import re
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.grafana.dashboards import GRAFANA

ENVIRONMENT = {
    "SPANLAKE_URL": "https://x.execute-api.us-east-1.amazonaws.com",
    "SPANLAKE_TOKEN": "a-token-of-some-length",
    "AWS_REGION": "us-east-1",
    "PROMETHEUS_URL": "http://prometheus:9090",
    "LOKI_URL": "http://loki:3100",
    "SPANLAKE_DASHBOARDS": "/dashboards",
}


def provisioned(path: str, environment: Mapping[str, str] = ENVIRONMENT) -> Any:
    """A file as Grafana reads it, which puts variables in values alone, and makes one dollar of two."""
    return _expanded(yaml.safe_load((GRAFANA / "provisioning" / path).read_text()), environment)


def _expanded(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _expanded(each, environment) for key, each in node.items()}
    if isinstance(node, list):
        return [_expanded(each, environment) for each in node]
    if not isinstance(node, str):
        return node
    return "$".join(re.sub(r"\$\{?(\w+)\}?", lambda found: environment[found[1]], part) for part in node.split("$$"))


def sources() -> dict[str, dict[str, Any]]:
    return {source["uid"]: source for source in provisioned("datasources/spanlake.yaml")["datasources"]}


def test_the_token_goes_with_each_request_and_stands_nowhere_else() -> None:
    spanlake = sources()["spanlake"]
    assert (spanlake["type"], spanlake["access"], spanlake["url"]) == ("tempo", "proxy", ENVIRONMENT["SPANLAKE_URL"])
    assert spanlake["jsonData"]["httpHeaderName1"] == "Authorization"
    assert spanlake["secureJsonData"] == {"httpHeaderValue1": f"Bearer {ENVIRONMENT['SPANLAKE_TOKEN']}"}
    assert ENVIRONMENT["SPANLAKE_TOKEN"] not in str(spanlake["jsonData"])


def test_nothing_is_streamed_that_a_function_could_not_send() -> None:
    about = sources()["spanlake"]["jsonData"]
    assert about["streamingEnabled"] == {"search": False, "metrics": False}
    assert about["nodeGraph"] == {"enabled": True}


def test_trace_is_looked_for_around_its_time() -> None:
    """Grafana takes the first shift from the start of the range, and adds the second to its end."""
    about = sources()["spanlake"]["jsonData"]["traceQuery"]
    assert about == {"timeShiftEnabled": True, "spanStartTimeShift": "1h", "spanEndTimeShift": "1h"}


def test_service_graph_has_a_source_of_metrics() -> None:
    known = sources()
    assert known[known["spanlake"]["jsonData"]["serviceMap"]["datasourceUid"]]["type"] == "prometheus"


def test_traces_lead_to_logs_and_back() -> None:
    known = sources()
    traces, logs = known["spanlake"]["jsonData"]["tracesToLogsV2"], known["spanlake-logs"]["jsonData"]["derivedFields"]
    assert known[traces["datasourceUid"]]["type"] == "loki"
    assert [known[field["datasourceUid"]]["type"] for field in logs] == ["tempo"]
    assert logs[0]["url"] == "${__value.raw}"
    assert re.search(logs[0]["matcherRegex"], f'level=info trace_id="{"0a" * 16}"')


def test_there_is_a_source_for_each_dashboard() -> None:
    assert {"cloudwatch", "prometheus"} <= {source["type"] for source in sources().values()}
    (provider,) = provisioned("dashboards/spanlake.yaml")["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/dashboards")
