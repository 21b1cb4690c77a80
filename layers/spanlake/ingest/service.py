"""The ingest service that receivers call."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

from spanlake.ingest.admission import Admission
from spanlake.ingest.deadline import ArrivalDeadline
from spanlake.ingest.deduplication import Deleted, RequestDeduplicator
from spanlake.ingest.group_commit import GroupPolicy
from spanlake.ingest.lanes import Lanes
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.ingest.pipeline import LimitsOf, Pipeline, Read, Since, Write, WriteDeleted, without_limits
from spanlake.ingest.rates import IngestRates, RateLimited
from spanlake.ingest.request import Format, Receipt
from spanlake.settings.model import IngestLimits
from spanlake.store.errors import StorageTimeout
from spanlake.telemetry.interface import IngestMetrics
from spanlake.telemetry.prometheus import Metrics

_LONGEST_SECONDS = 18.0  # from a request's last byte to its answer; OTLP exporters wait for 10 to 30 s


class Submit(Protocol):
    """Takes a tenant, a body, and its format unless it is OTLP; see GroupCommit.submit."""

    def __call__(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]": ...


@dataclass(frozen=True, slots=True)
class Ingest:
    """Ingest as all receivers use it.

    A receiver enters the admission, grows its pass before it allocates, and answers when the bytes of a request with
    its format are stored, or submits them and answers when the future is done.
    """

    admission: Admission
    submit: Submit
    limits: IngestLimits
    metrics: IngestMetrics
    deadline: ArrivalDeadline = field(default_factory=ArrivalDeadline)
    notices: MisdirectionLog = field(default_factory=MisdirectionLog)
    rates: IngestRates | None = None  # of tenants

    def check_rate(self, tenant: str, size: int) -> None:
        """Raise RateLimited, and count it, when a tenant sends more bytes than it may."""
        if self.rates is None:
            return
        try:
            self.rates.take(tenant, size)
        except RateLimited:
            self.metrics.refused_bytes(tenant, "rate_limited", size)
            raise

    async def stored(self, tenant: str, body: bytes, format_: Format | None = None) -> Receipt:
        """Store a request; raises RateLimited, and StorageTimeout when it takes longer than its sender would wait."""
        self.check_rate(tenant, len(body))
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await asyncio.wrap_future(self.submit(tenant, body, format_))
        except TimeoutError:
            raise StorageTimeout(f"the request was not stored within {_LONGEST_SECONDS:g} s: send it again") from None


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of spans."""

    write: Write
    write_deleted: WriteDeleted
    deletions: Since


def group_commit(
    read: Read,
    to: Destination,
    limits: IngestLimits,
    retention: timedelta | None,
    metrics: Metrics,
    limits_of: LimitsOf = without_limits,
) -> Lanes:
    """Compose the parts behind submit; the caller starts and closes the result."""
    pipeline = Pipeline(read, to.write, metrics, retention, limits_of=limits_of)
    remembered = RequestDeduplicator(
        pipeline,
        capacity=limits.remembered_requests,
        seconds=limits.remembered_seconds,
        metrics=metrics,
        deleted=Deleted(to.deletions, partial(pipeline.store_deleted, to.write_deleted)),
    )
    policy = GroupPolicy(limits.linger_seconds, limits.group_bytes, limits.group_requests)
    return Lanes(remembered, policy)
