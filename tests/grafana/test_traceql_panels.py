"""A server answers every TraceQL query of the dashboard and of the alert rules."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from spanlake.traceql import parse
from tests.cli.spans import ID
from tests.cli.test_explore import shop_request
from tests.grafana.dashboards import TRACES, dashboard, targets
from tests.grafana.test_provisioning import provisioned
from tests.server_process import SpanlakeServer


class _Environment(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"${name}"


def rules() -> list[dict[str, Any]]:
    (group,) = provisioned("alerting/spanlake.yaml", _Environment())["groups"]
    return list(group["rules"])


def models() -> Iterator[dict[str, Any]]:
    """Yields each query with its properties."""
    yield from targets(dashboard(TRACES))
    for rule in rules():
        yield from (each["model"] for each in rule["data"] if each["datasourceUid"] == "spanlake")


@pytest.fixture
def stored(server: SpanlakeServer, tenant: str) -> str:
    """The tenant, once it has a trace of the shop."""
    assert server.post_traces(shop_request(ID), headers={"X-Scope-OrgID": tenant}).status == 200
    return tenant


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model["query"])
def test_query_is_answered(server: SpanlakeServer, stored: str, model: dict[str, Any]) -> None:
    text = model["query"].replace("$service", ".*")
    now = int(time.time())
    path = {"range": "/api/metrics/query_range", "instant": "/api/metrics/query"}.get(
        model.get("metricsQueryType", ""), "/api/search"
    )
    assert parse(text).is_metrics == (path != "/api/search")
    params = urlencode({"q": text, "start": now - 600, "end": now + 1})
    answer = server.get(f"{path}?{params}", headers={"X-Scope-OrgID": stored})
    assert answer.status == 200, answer.body


def test_rules_refer_to_their_own_queries_and_the_provisioned_data_source() -> None:
    (source, *_) = provisioned("datasources/spanlake.yaml")["datasources"]
    assert len({rule["uid"] for rule in rules()}) == len(rules())
    for rule in rules():
        letters = [each["refId"] for each in rule["data"]]
        assert rule["condition"] in letters
        assert all(each["model"]["refId"] == each["refId"] for each in rule["data"])
        assert {each["model"]["expression"] for each in rule["data"] if "expression" in each["model"]} <= set(letters)
        assert {each["datasourceUid"] for each in rule["data"]} == {source["uid"], "__expr__"}
