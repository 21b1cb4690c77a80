"""Tests that the CloudWatch dashboard uses only metrics that the functions, and AWS for the stack's parts, publish."""

import io
import json
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from spanlake.aws.telemetry import Metric, Telemetry
from tests.aws.events import Context
from tests.grafana.dashboards import AWS, dashboard, targets, variables

FUNCTIONS = {path.parent.name for path in (Path(__file__).parents[2] / "functions").glob("*/handler.py")}
# The metrics that AWS documents for HTTP APIs, functions, tables and queues, each with the dimension it is asked by.
OF_AWS: Mapping[str, tuple[str, set[str]]] = {
    "AWS/ApiGateway": ("ApiId", {"Count", "4xx", "5xx", "Latency", "IntegrationLatency", "DataProcessed"}),
    "AWS/Lambda": (
        "FunctionName",
        {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"},
    ),
    "AWS/DynamoDB": (
        "TableName",
        {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents"},
    ),
    "AWS/SQS": ("QueueName", {"ApproximateNumberOfMessagesVisible"}),
}
STATISTICS = re.compile(r"Sum|Average|Minimum|Maximum|SampleCount|p\d\d?(\.\d+)?")
ASKED = list(targets(dashboard(AWS)))
OURS = [target for target in ASKED if target["namespace"] == "$stack"]


@pytest.mark.parametrize("target", ASKED, ids=lambda target: f"{target['namespace']} {target['metricName']}")
def test_it_asks_in_cloudwatchs_way(target: Mapping[str, object]) -> None:
    assert target["queryMode"] == "Metrics"
    assert target["matchExact"] is True  # or series with more dimensions would be added
    assert target["region"] == "$region"
    assert STATISTICS.fullmatch(str(target["statistic"]))


def test_it_asks_aws_for_what_it_has() -> None:
    for target in ASKED:
        if target in OURS:
            continue
        dimension, metrics = OF_AWS[target["namespace"]]
        assert target["metricName"] in metrics
        assert list(target["dimensions"]) == [dimension]


def test_it_asks_functions_for_what_they_tell() -> None:
    assert {target["metricName"] for target in OURS} == set(Metric)
    assert {name for target in OURS for name in target["dimensions"]} == dimensions_told()
    services = {target["dimensions"]["service"] for target in OURS}
    assert services <= {f"spanlake-{name}" for name in FUNCTIONS}


def dimensions_told() -> set[str]:
    """The dimensions of a metric as CloudWatch reads it from a function's log."""
    telemetry, written = Telemetry("spanlake-ingest"), io.StringIO()
    with redirect_stdout(written):
        telemetry.handler(lambda *_: telemetry.count(Metric.SPANS_RECEIVED, 1))({}, Context())
    told = [json.loads(line) for line in written.getvalue().splitlines()]
    (dimensions,) = next(each["_aws"] for each in told if "_aws" in each)["CloudWatchMetrics"][0]["Dimensions"]
    return set(dimensions)


def test_it_asks_for_functions_that_there_are() -> None:
    named = [target["dimensions"]["FunctionName"] for target in ASKED if target["namespace"] == "AWS/Lambda"]
    assert {name.removeprefix("$stack-") for name in named} == FUNCTIONS


def test_its_variables_look_for_metrics_that_there_are() -> None:
    for variable in variables(dashboard(AWS)).values():
        if variable["type"] == "query" and variable["query"]["queryType"] == "dimensionValues":
            dimension, metrics = OF_AWS[variable["query"]["namespace"]]
            assert variable["query"]["dimensionKey"] == dimension
            assert variable["query"]["metricName"] in metrics
