"""Lines of functions' logs: the ids under which a request is found elsewhere, and its tenant."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from spanlake.aws import ingest
from spanlake.aws.gateway import gateway_access, labelled
from spanlake.aws.http import http_handler
from spanlake.aws.telemetry import Metric, Telemetry
from tests.aws.events import Context, http_event, rest_event
from tests.payloads import export_request

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
TENANT = {"lambda": {"tenant": "shop"}}
IDS = {"tenant": "shop", "correlation_id": TRACE}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("event", "request_id"),
    [
        (lambda: http_event("GET", "/api/search", headers=HEADERS, authorizer=TENANT), "id"),
        (lambda: rest_event("GET", "/api/search", headers=HEADERS, authorizer=TENANT["lambda"]), "rest-id"),
    ],
)
def test_log_and_metrics_name_the_request(
    event: Callable[[], dict[str, Any]], request_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry(f"spanlake-{request_id}")  # Powertools keeps loggers by their names

    async def app(scope: Any, receive: Any, send: Any) -> None:
        labelled(gateway_access({}), telemetry.label)(scope)
        logging.getLogger("spanlake.tests").warning("happened")
        telemetry.count(Metric.BLOCKS_MISSING, 1)
        await PlainTextResponse("")(scope, receive, send)

    handler = telemetry.handler(http_handler(app, (), "", telemetry.label))
    handler(event(), Context())
    logged, counted = lines(capsys)
    for line in (logged, counted):
        assert {name: line[name] for name in IDS} == IDS
        assert line["api_request_id"] == request_id
    assert logged["function_request_id"] == Context().aws_request_id
    handler({**event(), "headers": {}, "multiValueHeaders": {}}, Context())
    assert all("correlation_id" not in line for line in lines(capsys)), "of the request before"


def test_ids_are_no_dimensions_of_metrics(environment: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each combination of dimensions is charged for as a metric."""
    body = export_request("one").SerializeToString()
    headers = HEADERS | {"content-type": "application/x-protobuf"}
    ingest.handler()(http_event("POST", "/v1/traces", headers=headers, body=body, authorizer=TENANT), Context())
    (line,) = [line for line in lines(capsys) if "_aws" in line]
    assert line["tenant"] == "shop"
    assert [metric["Dimensions"] for metric in line["_aws"]["CloudWatchMetrics"]] == [[["service"]]]
