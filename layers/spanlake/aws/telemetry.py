"""Telemetry of a function: structured logs, metrics in the embedded metric format, and traces if asked to.

CloudWatch charges for each metric by the hour in which it has a value, and for each combination of dimensions as for a
metric of its own. So metrics are few and have the function's name as their only dimension. What else is known stands
beside them in the same line of the log, where Logs Insights finds it.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from time import perf_counter
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from spanlake.telemetry.interface import Usage

# Where credentials were found, what is traced, and what API Gateway has in its access log.
_MOST_USAGE = 100  # entries of one line of the log
_CHATTY = ("botocore", "aws_xray_sdk", "mangum.http")

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]  # event and context of an invocation, to its answer


class Label(Protocol):
    """Takes ids of the request at hand by their names; None where one is unknown."""

    def __call__(self, **ids: str | None) -> None: ...


class Metric(StrEnum):
    """The metrics of all functions."""

    SPANS_RECEIVED = "SpansReceived"
    SPANS_REJECTED = "SpansRejected"
    BYTES_STORED = "BytesStored"
    COMMIT_DURATION = "CommitDuration"
    QUERY_DURATION = "QueryDuration"
    BLOCKS_MERGED = "BlocksMerged"
    MERGES_LOST = "MergesLost"
    BLOCKS_WAITING = "BlocksWaiting"
    DAYS_QUARANTINED = "DaysQuarantined"
    BLOCKS_DELETED = "BlocksDeleted"
    STORE_MISMATCHES = "StoreMismatches"
    BLOCKS_MISSING = "BlocksMissing"
    GARBAGE_REFUSED = "GarbageRefused"


class Telemetry:
    """The logs and metrics of one function; it is the IngestMetrics of one that takes spans in."""

    def __init__(self, service: str) -> None:
        """``service`` is the function's name where the environment gives none."""
        name = os.environ.get("POWERTOOLS_SERVICE_NAME") or service
        self._metrics = EphemeralMetrics(
            namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "spanlake", service=name
        )
        self._logger = Logger(service=name)
        _log_everything(self._logger)

    def handler(self, work: Handler) -> Handler:
        """Return the work of a function, with what it logged and counted told each time it is done."""
        logged = self._logger.inject_lambda_context(_traced(work), clear_state=True)

        def handle(event: Event, context: Any) -> Any:
            try:
                return logged(event, context)
            finally:
                self._flush()

        return handle

    def label(self, **ids: str | None) -> None:
        """Have all that is logged about this invocation, and its metrics' line, name these; None leaves one out."""
        known = {name: value for name, value in ids.items() if value}
        self._logger.append_keys(**known)
        self.note(**known)

    def note(self, **facts: object) -> None:
        """Write facts beside the metrics of this invocation."""
        for name, value in facts.items():
            self._metrics.add_metadata(name, value)

    def count(self, metric: Metric, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
        """Add a value of a metric."""
        self._metrics.add_metric(metric, unit, value)

    def request(self, protocol: str, code: str) -> None:
        """Note how a request to store spans was answered."""
        self.note(protocol=protocol, code=code)

    def received(self, *, spans: int, size: int) -> None:
        """Count what a well-formed request held; size in bytes."""
        self.count(Metric.SPANS_RECEIVED, spans)
        self.note(bytes_received=size)

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Count spans that were not stored."""
        if reasons:
            self.count(Metric.SPANS_REJECTED, sum(reasons.values()))
            self.note(rejected=dict(reasons))

    def truncated(self, tenant: str, attributes: int) -> None:
        """Note attributes whose key or value was cut off."""
        if attributes:
            self.note(tenant=tenant, attributes_truncated=attributes)

    def of_tenant(self, tenant: str, accepted: int, refused: Mapping[str, int]) -> None:
        """Note the tenant; its spans are in the function's other metrics, and a metric for each tenant would cost."""
        self.note(tenant=tenant, spans_accepted=accepted)
        if refused:
            self.note(tenant_refused=dict(refused))

    def refused_bytes(self, tenant: str, reason: str, size: int) -> None:
        """Note a request that was refused before its spans were counted; size in bytes."""
        self.note(tenant=tenant, refused_for=reason, bytes_refused=size)

    def usage(self, tenant: str, used: Usage, most: int) -> None:
        """Note the bytes of a tenant's spans by attributes; of labels beyond the first hundred together."""
        shown = list(islice(used.items(), min(most, _MOST_USAGE)))
        rest = sum(used.values()) - sum(size for _, size in shown)
        noted = [{**dict(labels), "bytes": size} for labels, size in shown]
        self.note(tenant=tenant, usage=[*noted, {"overflow": True, "bytes": rest}] if rest else noted)

    def written(self, *, blocks: int, size: int) -> None:
        """Count what was stored; size in bytes."""
        self.count(Metric.BYTES_STORED, size, MetricUnit.Bytes)
        self.note(blocks_written=blocks)

    @contextmanager
    def time_commit(self) -> Iterator[None]:
        """Time a commit that succeeds."""
        start = perf_counter()
        yield
        self._time(Metric.COMMIT_DURATION, start)

    @contextmanager
    def time_query(self, endpoint: str) -> Iterator[None]:
        """Time the answer to a query, whether it succeeds or not; endpoint is a route, never a path with ids."""
        start = perf_counter()
        try:
            yield
        finally:
            self._time(Metric.QUERY_DURATION, start)
            self.note(endpoint=endpoint)

    def _time(self, metric: Metric, start: float) -> None:
        self.count(metric, (perf_counter() - start) * 1000, MetricUnit.Milliseconds)

    def _flush(self) -> None:
        if self._metrics.metric_set:
            self._metrics.flush_metrics()
        self._metrics.clear_metrics()


def _traced(work: Handler) -> Handler:
    """Return the work as a segment in X-Ray, if the template has turned that on; its library takes long to load."""
    if os.environ.get("POWERTOOLS_TRACE_DISABLED", "true").lower() != "false":
        return work
    from aws_lambda_powertools import Tracer

    traced: Handler = Tracer(patch_modules=["botocore"]).capture_lambda_handler(work, capture_response=False)
    return traced


def _log_everything(logger: Logger) -> None:
    """Send the records of every logger, ours and the libraries', where Powertools sends its own."""
    root = logging.getLogger()
    root.handlers = [logger.registered_handler]
    root.setLevel(logger.log_level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
