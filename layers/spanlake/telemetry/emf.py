"""Metrics of an edge for CloudWatch: lines in the embedded metric format, from which CloudWatch Logs makes metrics.

A line a minute says by how much counters have grown. CloudWatch charges for a metric by the hour in which it has a
value, so that what has not grown is left out, and an edge without work costs nothing here.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spanlake.telemetry.prometheus import Metrics

SERVICE = "spanlake-edge"
_SECONDS = 60.0
_ANSWERED = {"OK", "200", "202", "stored"}
_DATAGRAMS = {"jaeger-compact", "jaeger-binary"}
_REQUESTS = "spanlake_ingest_requests_total"


def _is_refused(labels: Mapping[str, str]) -> bool:
    return labels.get("protocol") not in _DATAGRAMS and labels.get("code") not in _ANSWERED


def _is_lost(labels: Mapping[str, str]) -> bool:
    return labels.get("protocol") in _DATAGRAMS and labels.get("code") not in _ANSWERED


def counts(metrics: Metrics) -> Mapping[str, float]:
    """Return the counters that CloudWatch is told of, by their names there."""
    samples = [sample for family in metrics.collect() for sample in family.samples]

    def total(name: str, is_counted: Callable[[Mapping[str, str]], bool] = lambda _: True) -> float:
        return sum(sample.value for sample in samples if sample.name == name and is_counted(sample.labels))

    return {
        "SpansReceived": total("spanlake_ingest_spans_received_total"),
        "SpansRejected": total("spanlake_ingest_spans_rejected_total"),
        "BytesStored": total("spanlake_blocks_written_bytes_total"),
        "RequestsRefused": total(_REQUESTS, _is_refused),
        "DatagramsDropped": total("spanlake_udp_datagrams_dropped_total") + total(_REQUESTS, _is_lost),
    }


@dataclass(slots=True)
class EmfReporter:
    """Writes a line for each minute in which counters have grown."""

    namespace: str
    metrics: Metrics
    write: Callable[[str], None]
    _last: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS)
            self.report()

    def report(self) -> None:
        """Write the growth of the counters since the last report; nothing where none has grown."""
        now = counts(self.metrics)
        grown = {name: value - self._last.get(name, 0.0) for name, value in now.items()}
        self._last = dict(now)
        told = {name: growth for name, growth in grown.items() if growth > 0}
        if told:
            self.write(_line(self.namespace, told, time.time_ns() // 1_000_000))


def _line(namespace: str, values: Mapping[str, float], now_ms: int) -> str:
    metrics = [{"Name": name, "Unit": "Bytes" if name.startswith("Bytes") else "Count"} for name in values]
    directive = {"Namespace": namespace, "Dimensions": [["service"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}, "service": SERVICE, **values})
