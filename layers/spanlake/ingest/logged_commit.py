"""Acknowledges requests from a write-ahead log, before blocks are made of them.

A block costs some milliseconds however few spans it has, and less for each span the more it has. A request is therefore
durable as a record of the log, with one sync for the requests of a group.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress

from spanlake.ingest.pipeline import Pipeline, to_otlp
from spanlake.ingest.request import Outcome, Receipt, Request
from spanlake.ingest.request_log import RequestLog
from spanlake.spans.otlp.precheck import Checked, check
from spanlake.spans.otlp.sizes import of_spans
from spanlake.spans.otlp.validate import TraceParts
from spanlake.store.errors import StorageUnavailable
from spanlake.telemetry.interface import IngestMetrics

_log = logging.getLogger(__name__)

LARGEST_BODY = 3 << 20
"""Bytes of the largest request that is logged; a larger one is worth a block of its own."""


class LoggedCommit:
    """A Commit that logs requests whose spans are all valid, and leaves the others to a pipeline."""

    def __init__(
        self,
        log: RequestLog,
        pipeline: Pipeline,
        metrics: IngestMetrics,
        unready_reason: Callable[[], str | None] = lambda: None,
        is_quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        """``unready_reason`` says why blocks cannot be stored now; then nothing is logged.

        ``is_quiet`` is asked for each group: blocks of those that come to a quiet server are made before the answer.
        """
        self._request_log = log
        self._pipeline = pipeline
        self._metrics = metrics
        self._unready_reason = unready_reason
        self._is_quiet = is_quiet

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Return the outcome of each request in order; the spans of a Receipt are durable."""
        if self._is_quiet():
            return self._pipeline(tenant, requests)
        outcomes = to_otlp(requests)
        readable = [each for each in outcomes if isinstance(each, Request)]
        done = iter(self._commit(tenant, readable) if readable else ())
        return [next(done) if isinstance(each, Request) else each for each in outcomes]

    def _commit(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        are_small = [len(request.body) <= LARGEST_BODY for request in requests]
        if not all(are_small):
            return self._commit_apart(tenant, requests, are_small)
        checked = check([request.body for request in requests], self._pipeline.accepted_times(tenant))
        if checked is None or self._has_too_many(tenant, checked) or self._unready_reason() is not None:
            return self._pipeline(tenant, requests)
        traces = self._taken_traces(tenant, checked)
        if traces is None:
            return self._pipeline(tenant, requests)
        try:
            with self._metrics.time_commit():
                self._request_log.append(tenant, requests, checked)
        except StorageUnavailable as error:
            self._pipeline.trace_sizes.give_back(tenant, traces)
            _log.warning("requests not logged", extra={"tenant": tenant, "reason": str(error)})
            return self._pipeline(tenant, requests)
        counts = checked.spans_per_request
        self._metrics.received(spans=sum(counts), size=checked.size)
        return [self._receipt(tenant, count, request) for count, request in zip(counts, requests, strict=True)]

    def _commit_apart(self, tenant: str, requests: Sequence[Request], are_small: Sequence[bool]) -> list[Outcome]:
        pairs = list(zip(requests, are_small, strict=True))
        large = iter(self._pipeline(tenant, [request for request, is_small in pairs if not is_small]))
        small = iter(
            self._commit(tenant, [request for request, is_small in pairs if is_small]) if any(are_small) else ()
        )
        return [next(small if is_small else large) for is_small in are_small]

    def _taken_traces(self, tenant: str, checked: Checked) -> list[tuple[bytes, int]] | None:
        """Add the traces of requests to the tenant's, with their sizes; returns None where one grows too large."""
        most = self._pipeline.limits_of(tenant).trace_bytes
        if most is None or not checked.spans:
            return []
        parts = TraceParts.of(checked.spans["trace_id"], of_spans(checked.resource_spans), checked.spans_per_request)
        is_accepted = self._pipeline.trace_sizes.take(tenant, parts.traces, most)
        if all(is_accepted):
            return parts.traces
        self._pipeline.trace_sizes.give_back(tenant, list(compress(parts.traces, is_accepted)))
        return None

    def _has_too_many(self, tenant: str, checked: Checked) -> bool:
        most = self._pipeline.limits_of(tenant).request_spans
        return most is not None and max(checked.spans_per_request, default=0) > most

    def _receipt(self, tenant: str, count: int, request: Request) -> Receipt:
        if request.rejected:
            self._pipeline.count_rejected(tenant, request.rejected)
        self._metrics.of_tenant(tenant, count, request.rejected)
        return Receipt(count, Counter(request.rejected))
