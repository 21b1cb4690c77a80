"""Lines of the embedded metric format: the growth of counters, and nothing while nothing happens."""

import json
import time
from typing import Any

from spanlake.telemetry.emf import EmfReporter
from spanlake.telemetry.prometheus import Metrics


class Edge:
    """Counters, and the lines written of them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.dropped = {"jaeger-compact": 0}
        self.metrics.observe_dropped(lambda: self.dropped)
        self.lines: list[str] = []
        self._reporter = EmfReporter("traces", self.metrics, self.lines.append)

    def report(self) -> dict[str, Any] | None:
        """The line of a minute."""
        self.lines.clear()
        self._reporter.report()
        return json.loads(self.lines[0]) if self.lines else None


def values(line: dict[str, Any] | None) -> dict[str, float]:
    """The values that CloudWatch makes metrics of."""
    assert line is not None
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_nothing_is_reported_while_nothing_happens() -> None:
    edge = Edge()
    assert edge.report() is None
    edge.metrics.received(spans=1, size=1)
    assert edge.report() is not None
    assert edge.report() is None


def test_growth_is_reported() -> None:
    edge = Edge()
    for protocol, code in (("otlp-grpc", "OK"), ("otlp-grpc", "UNAVAILABLE"), ("jaeger-compact", "stored")):
        edge.metrics.request(protocol, code)
    edge.metrics.received(spans=7, size=1)
    edge.metrics.written(blocks=1, size=100)
    assert values(edge.report()) == {"SpansReceived": 7, "BytesStored": 100, "RequestsRefused": 1}
    edge.metrics.request("jaeger-grpc", "RESOURCE_EXHAUSTED")
    edge.metrics.request("jaeger-binary", "failed")
    edge.metrics.request("jaeger-binary", "malformed")
    edge.metrics.rejected({"too old": 2, "no id": 3})
    edge.dropped["jaeger-compact"] = 4
    assert values(edge.report()) == {"SpansRejected": 5, "RequestsRefused": 1, "DatagramsDropped": 6}


def test_a_line_is_as_cloudwatch_reads_it() -> None:
    edge = Edge()
    edge.metrics.written(blocks=1, size=100)
    line = edge.report()
    assert line is not None
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "traces",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "BytesStored", "Unit": "Bytes"}],
    }
    assert line["service"] == "spanlake-edge"
    assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < 60_000
