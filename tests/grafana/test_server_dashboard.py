"""Tests that the Prometheus dashboard uses only metrics that a server exposes."""

from collections.abc import Iterator

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from spanlake.telemetry.prometheus import Metrics, StoreTotals
from tests.grafana.dashboards import SERVER, dashboard, targets, variables
from tests.server_process import SpanlakeServer

_IN_PLACE = {"$__rate_interval": "5m", "$job": "spanlake", "$instance": "localhost:3200"}
_OF_PROMETHEUS = {"job", "instance", "le"}
_OF_THE_EDGE = ("spanlake_udp_",)
"""Prefixes of the metrics of the edge's listeners."""
EXPRESSIONS = [target["expr"] for target in targets(dashboard(SERVER))]


def parsed(expression: str) -> promql_parser.Expr:
    """The tree of an expression with values in place of variables; raises ValueError."""
    for name, value in _IN_PLACE.items():
        expression = expression.replace(name, value)
    return promql_parser.parse(expression)


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """Which series an expression reads."""
    match node:
        case promql_parser.VectorSelector():
            yield node
        case promql_parser.MatrixSelector():
            yield node.vector_selector
        case promql_parser.BinaryExpr():
            yield from selectors(node.lhs)
            yield from selectors(node.rhs)
        case promql_parser.Call():
            for argument in node.args:
                yield from selectors(argument)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr():
            yield from selectors(node.expr)


def labels(node: object) -> Iterator[tuple[str, str]]:
    """The metrics that are aggregated, each with a label by which that is done."""
    match node:
        case promql_parser.AggregateExpr():
            by = node.modifier.labels if node.modifier else []
            yield from ((str(selector.name), label) for selector in selectors(node.expr) for label in by)
            yield from labels(node.expr)
        case promql_parser.BinaryExpr():
            yield from labels(node.lhs)
            yield from labels(node.rhs)
        case promql_parser.Call():
            for argument in node.args:
                yield from labels(argument)


def told(text: str) -> dict[str, set[str]]:
    """The labels of each series in the Prometheus text format, by its name."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        if family.type == "counter":
            found[f"{family.name}_total"] = set()
        if family.type == "histogram":
            found |= {f"{family.name}_{part}": set() for part in ("bucket", "count", "sum")}
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def everything() -> dict[str, set[str]]:
    """All series, once all has happened."""
    metrics = Metrics()
    metrics.request("http-protobuf", "200")
    metrics.received(spans=1, size=1)
    metrics.rejected({"too_old": 1})
    metrics.of_tenant("shop", 1, {"too_old": 1})
    metrics.refused_bytes("shop", "rate_limited", 1)
    metrics.deleted("age", blocks=1, spans=1, size=1)
    metrics.observe_store(lambda: StoreTotals(1, 1, 1))
    with metrics.time_commit(), metrics.time_query("/api/search"):
        pass
    return told(metrics.expose()[0].decode())


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_it_asks_for_what_there_is(server: SpanlakeServer, expression: str) -> None:
    series = told(server.get("/metrics").body.decode())
    found = list(selectors(parsed(expression)))
    assert found
    assert {selector.name for selector in found} <= set(series)


@pytest.mark.parametrize("expression", [each for each in EXPRESSIONS if " by (" in each])
def test_it_groups_by_labels_that_there_are(expression: str) -> None:
    known = everything()
    wanted = list(labels(parsed(expression)))
    assert wanted
    for name, label in wanted:
        assert label in known.get(name, set()) | _OF_PROMETHEUS, (name, label)


def test_every_metric_of_ours_is_on_it(server: SpanlakeServer) -> None:
    shown = {selector.name for expression in EXPRESSIONS for selector in selectors(parsed(expression))}
    told_of = {name for name in told(server.get("/metrics").body.decode()) if name.startswith("spanlake_")}
    ours = {name for name in told_of if not name.startswith(_OF_THE_EDGE)}
    parts = {name for name in ours if name.endswith(("_sum", "_count"))} - shown
    assert ours - shown == {name for name in parts if name.rpartition("_")[0] + "_bucket" in shown}


def test_its_variables_look_for_a_series_that_there_is(server: SpanlakeServer) -> None:
    series = told(server.get("/metrics").body.decode())
    queries = [each["definition"] for each in variables(dashboard(SERVER)).values() if each["type"] == "query"]
    asked = [query.removeprefix("label_values(").rpartition(",")[0] for query in queries]
    assert {selector.name for each in asked for selector in selectors(parsed(each))} <= set(series)
