"""The ingest service that receivers call."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import pyarrow as pa

from spanlake.ingest.admission import Admission
from spanlake.ingest.deadline import ArrivalDeadline
from spanlake.ingest.deduplication import Deleted, RequestDeduplicator
from spanlake.ingest.errors import Draining, Overloaded, RateLimited
from spanlake.ingest.group_commit import GroupPolicy, Lanes, QuietSpells
from spanlake.ingest.log_segments import USUAL_LOG, LogFiles, LogPolicy
from spanlake.ingest.logged_commit import LoggedCommit
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.ingest.pipeline import (
    LimitsOf,
    Pipeline,
    Read,
    Since,
    Write,
    WriteDeleted,
    WriteReceived,
    content_hash,
    decoding,
    without_limits,
)
from spanlake.ingest.rates import HeldRefusals, Rates
from spanlake.ingest.request import Format, Outcome, Receipt, Request
from spanlake.ingest.request_log import LogStore, RequestLog
from spanlake.ingest.sender_log import SenderLog
from spanlake.ingest.tenant_work import TenantWork
from spanlake.ingest.usage import count_usage
from spanlake.receivers import otlp
from spanlake.settings.model import IngestLimits
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.spans.otlp.decode import decode_checked
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.precheck import Checked
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageTimeout, StoreError
from spanlake.telemetry.interface import IngestMetrics, Uncounted, Usage
from spanlake.telemetry.prometheus import Metrics

_ANY_TIME = 1 << 62  # Unix nanoseconds; the times of logged spans are checked before they are logged
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
    rates: Rates | None = None  # of tenants
    held: HeldRefusals = field(default_factory=HeldRefusals)

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
            self.metrics.refused_bytes(tenant, "unavailable", len(body))
            raise StorageTimeout(f"the request was not stored within {_LONGEST_SECONDS:g} s: send it again") from None
        except Exception as error:
            self.metrics.refused_bytes(tenant, reason_of(error), len(body))
            raise


_REASONS: Sequence[tuple[type[Exception], str]] = (
    (MalformedRequest, "malformed"),
    (Overloaded, "overloaded"),
    (RateLimited, "rate_limited"),
    (Draining, "draining"),
    (StoreError, "unavailable"),
)
"""Reasons of refused requests whose spans were not counted, as label values of a metric."""


def reason_of(error: BaseException) -> str:
    """Return the reason of a refusal, as a metric has it."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "failed")


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of spans."""

    write: Write
    write_deleted: WriteDeleted
    deletions: Since


@dataclass(frozen=True, slots=True)
class LogDestination:
    """The write-ahead log of a directory, and the destination of what it holds."""

    files: LogFiles
    write: WriteReceived
    unready_reason: Callable[[], str | None]
    """Says why blocks cannot be stored now; None when they can."""
    policy: LogPolicy = USUAL_LOG


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants of a process: their limits, and the time that they take."""

    limits_of: LimitsOf = without_limits
    work: TenantWork = field(default_factory=TenantWork)


@dataclass(frozen=True, slots=True)
class Commits:
    """The parts behind submit, which the caller starts and closes."""

    groups: Lanes
    log: RequestLog | None

    def start(self) -> None:
        """Start the threads; raises StoreError."""
        if self.log is not None:
            self.log.start()
        self.groups.start()

    def close(self) -> None:
        """Refuse new requests, answer all that wait, and make blocks of what the log holds."""
        self.groups.close()
        if self.log is not None:
            self.log.close()


def group_commit(
    read: Read,
    to: Destination,
    limits: IngestLimits,
    retention: timedelta | None,
    metrics: Metrics,
    tenants: Tenants,
    to_log: LogDestination | None = None,
) -> Commits:
    """Compose the parts behind submit."""
    limits_of, work = tenants.limits_of, tenants.work
    senders = SenderLog()
    pipeline = Pipeline(read, to.write, metrics, retention, limits_of=limits_of, log=senders)
    log = None if to_log is None else request_log(to_log, metrics, limits_of, senders, work)
    remembered = RequestDeduplicator(
        pipeline
        if log is None or to_log is None
        else LoggedCommit(log, pipeline, metrics, to_log.unready_reason, QuietSpells().come),
        capacity=limits.remembered_requests,
        seconds=limits.remembered_seconds,
        metrics=metrics,
        deleted=Deleted(to.deletions, partial(pipeline.store_deleted, to.write_deleted)),
    )
    policy = GroupPolicy(limits.linger_seconds, limits.group_bytes, limits.group_requests)
    return Commits(Lanes(remembered, policy, work), log)


def request_log(
    to: LogDestination,
    metrics: IngestMetrics,
    limits_of: LimitsOf = without_limits,
    senders: SenderLog | None = None,
    work: TenantWork | None = None,
) -> RequestLog:
    """Compose a log and the storage of what it holds."""
    logged = _LoggedRequests(to.write, metrics, limits_of, senders, _BlocksWritten(metrics))
    return RequestLog(to.files, LogStore(logged.store, logged.store_readable), to.policy, work)


@dataclass(frozen=True, slots=True)
class _LoggedRequests:
    """Stores requests that the log holds; their spans are acknowledged already."""

    write: WriteReceived
    metrics: IngestMetrics
    limits_of: LimitsOf
    senders: SenderLog | None
    written: "_BlocksWritten"

    def store(self, tenant: str, checked: Checked, digests: Sequence[bytes], received_ns: int) -> None:
        """Store requests that were checked when they were logged."""
        limits = self.limits_of(tenant)
        decoded = decode_checked(checked, decoding(limits))
        self.metrics.truncated(tenant, decoded.truncated)
        if not decoded.table.num_rows:
            return
        blocks = self.write(tenant, decoded.table, content_hash(digests), received_ns)
        self.written.written(blocks=len(blocks), size=sum(block.size for block in blocks))
        count_usage(self.metrics, tenant, limits, decoded.table, decoded.sizes)
        if self.senders is not None:
            self.senders.stored(tenant, decoded.table)

    def store_readable(self, tenant: str, requests: Sequence[Request], received_ns: int) -> list[Outcome]:
        """Store requests that were found in the log, those that cannot be read left out."""

        def write(tenant: str, table: pa.Table, content_hash: bytes) -> Sequence[Block]:
            return self.write(tenant, table, content_hash, received_ns)

        pipeline = Pipeline(
            otlp.read, write, self.written, clock=lambda: _ANY_TIME, limits_of=self._acknowledged, limits_days=False
        )
        return pipeline(tenant, requests)

    def _acknowledged(self, tenant: str) -> TenantLimits:
        return self.limits_of(tenant).of_acknowledged()


class _BlocksWritten(Uncounted):
    """Metrics that count blocks only: the requests in them were counted when they were logged."""

    def __init__(self, metrics: IngestMetrics) -> None:
        self._metrics = metrics

    def written(self, *, blocks: int, size: int) -> None:
        """Count blocks."""
        self._metrics.written(blocks=blocks, size=size)

    def usage(self, tenant: str, used: Usage, most: int) -> None:
        """Count usage, which is counted with the blocks."""
        self._metrics.usage(tenant, used, most)
