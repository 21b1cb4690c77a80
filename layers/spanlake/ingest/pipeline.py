"""Translation, decoding, validation and storage of a group of requests, each with an outcome of its own."""

import logging
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from itertools import accumulate, compress

import pyarrow as pa

from spanlake.ingest.errors import Overloaded
from spanlake.ingest.request import Format, Outcome, Receipt, Request
from spanlake.ingest.sender_log import SenderLog
from spanlake.ingest.trace_sizes import TraceSizes
from spanlake.ingest.usage import count_usage
from spanlake.receivers.translation import Translated
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.spans.otlp.decode import Decoded, Options
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.limits import MOST_VALUE_BYTES
from spanlake.spans.otlp.precheck import MOST_DAYS, AcceptedTimes
from spanlake.spans.otlp.validate import TraceParts, Validated, beyond_days, validate, within_request
from spanlake.store.blocks.block import Block
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import StoreError
from spanlake.telemetry.interface import IngestMetrics

_log = logging.getLogger(__name__)


def to_otlp(requests: Sequence[Request]) -> list[Request | Exception]:
    """Translate requests to OTLP, keeping their original digests; returns the exception for each malformed one."""
    found: list[Request | Exception] = list(requests)
    by_format: dict[Format, list[int]] = {}
    for number, request in enumerate(requests):
        if request.format is not None:
            by_format.setdefault(request.format, []).append(number)
    for format_, numbers in by_format.items():
        outcomes = _outcomes(format_, [requests[number].body for number in numbers])
        for number, outcome in zip(numbers, outcomes, strict=True):
            found[number] = _result(requests[number], outcome)
    return found


def _result(request: Request, outcome: Translated | Exception) -> Request | Exception:
    if isinstance(outcome, Exception):
        return log_unexpected(outcome)
    return replace(request, body=outcome.body, format=None, rejected=outcome.rejected)


def _outcomes(format_: Format, bodies: Sequence[bytes]) -> Sequence[Translated | Exception]:
    try:
        return format_.translate(bodies)
    except Exception as error:  # noqa: BLE001, one malformed request must not fail the others
        if len(bodies) == 1:
            return [error]
        return [outcome for body in bodies for outcome in _outcomes(format_, [body])]


def log_unexpected(error: Exception) -> Exception:
    """Log an error of this code while reading a request, and return it.

    A MalformedRequest is returned without a log line.
    """
    if not isinstance(error, MalformedRequest):
        _log.error("request decoding failed", exc_info=error)
    return error


FUTURE = timedelta(days=1)  # by which a sender's clock may be ahead of ours

Read = Callable[[Sequence[bytes], Options], Decoded]
Write = Callable[[str, pa.Table, bytes], Sequence[Block]]  # tenant, span table, hash of its source

Since = Callable[[str, int], Mapping[bytes, int]]
"""Returns the traces of a tenant that were deleted at or after a time, with the time of deletion, in Unix nanoseconds.
"""

WriteReceived = Callable[[str, pa.Table, bytes, int], Sequence[Block]]
"""Writes spans that were received after a time; takes the arguments of Write, and the time in Unix nanoseconds."""

WriteDeleted = Callable[[str, pa.Table, bytes, Mapping[bytes, int]], Sequence[Block]]
"""Writes the spans of deleted traces again; takes the arguments of Write, and the traces with their deletion times."""

LimitsOf = Callable[[str], TenantLimits]
"""Returns the limits of a tenant."""


def without_limits(_: str) -> TenantLimits:
    """Return the limits of tenants where none are set."""
    return _NO_LIMITS


def decoding(limits: TenantLimits) -> Options:
    """Return what a tenant's limits ask of decoding."""
    return Options(limits.attribute_bytes or MOST_VALUE_BYTES, limits.needs_sizes)


_NO_LIMITS = TenantLimits()
_NOT_STORED = "a group of requests could not be stored"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A Commit that stores groups of requests of one tenant; safe to use from several threads."""

    read: Read
    write: Write
    metrics: IngestMetrics
    retention: timedelta | None = None  # spans that started longer ago are rejected; None keeps any age
    clock: Callable[[], int] = time.time_ns
    limits_of: LimitsOf = without_limits
    limits_days: bool = True  # False for an operator's own files, which may hold spans of years
    trace_sizes: TraceSizes = field(default_factory=TraceSizes)
    log: SenderLog | None = None

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Store the requests together; one that cannot be read fails alone, when storage fails all do."""
        in_otlp = to_otlp(requests)
        stored = iter(self._store_as_otlp(tenant, [each for each in in_otlp if isinstance(each, Request)]))
        return [next(stored) if isinstance(each, Request) else each for each in in_otlp]

    def store_deleted(
        self, write: WriteDeleted, tenant: str, request: Request, deleted: Mapping[bytes, int]
    ) -> Outcome:
        """Store again the spans of a stored request whose traces were deleted since."""

        def write_some(tenant: str, table: pa.Table, content_hash: bytes) -> Sequence[Block]:
            return write(tenant, table, content_hash, deleted)

        (outcome,) = replace(self, write=write_some, trace_sizes=TraceSizes())(tenant, [request])
        return outcome

    def accepted_times(self, tenant: str) -> AcceptedTimes:
        """Return the range of start times of a tenant's spans that are accepted now."""
        now = self.clock()
        retention = _shorter(self.retention, self.limits_of(tenant).retention)
        oldest = 0 if retention is None else max(0, now - _nanoseconds(retention))
        return AcceptedTimes(oldest, now + _nanoseconds(FUTURE))

    def _store_as_otlp(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Store requests in the order of their digests: equal sets of requests make equal blocks, byte for byte."""
        positions = sorted(range(len(requests)), key=lambda position: requests[position].digest)
        outcomes = self._store_in_order(tenant, [requests[position] for position in positions])
        by_position = dict(zip(positions, outcomes, strict=True))
        return [by_position[position] for position in range(len(requests))]

    def _store_in_order(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        if not requests:
            return []
        try:
            decoded = self._read(tenant, requests)
        except Exception as error:  # noqa: BLE001, one malformed request must not fail the others
            return self._store_readable(tenant, requests, self._faults(tenant, requests, 0, error))
        return self._store(tenant, requests, decoded)

    def _read(self, tenant: str, requests: Sequence[Request]) -> Decoded:
        return self.read([request.body for request in requests], decoding(self.limits_of(tenant)))

    def _store_readable(
        self, tenant: str, requests: Sequence[Request], faults: Mapping[int, Exception]
    ) -> list[Outcome]:
        readable = [request for index, request in enumerate(requests) if index not in faults]
        stored = iter(self._store_rest(tenant, readable) if readable else ())
        return [faults[index] if index in faults else next(stored) for index in range(len(requests))]

    def _store_rest(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Store requests that can each be read alone; in halves where that is not so of all together."""
        try:
            decoded = self._read(tenant, requests)
        except Exception as error:  # noqa: BLE001, as above
            if len(requests) == 1:
                return [log_unexpected(error)]
            middle = _middle(requests)
            return self._store_rest(tenant, requests[:middle]) + self._store_rest(tenant, requests[middle:])
        return self._store(tenant, requests, decoded)

    def _faults(self, tenant: str, requests: Sequence[Request], first: int, error: Exception) -> dict[int, Exception]:
        """Return the error of each request that cannot be read, by index, given the error of reading all together.

        Bisection costs a hostile group a reading for each doubling of its size, where removing requests one by one
        would cost a reading for each. A request larger than all others together is read three times at most.
        """
        if len(requests) == 1:
            return {first: log_unexpected(error)}
        middle = _middle(requests)
        before = self._faults_in(tenant, requests[:middle], first)
        return before | self._faults_in(tenant, requests[middle:], first + middle)

    def _faults_in(self, tenant: str, requests: Sequence[Request], first: int) -> dict[int, Exception]:
        try:
            self._read(tenant, requests)
        except Exception as error:  # noqa: BLE001, as above
            return self._faults(tenant, requests, first, error)
        return {}

    def _store(self, tenant: str, requests: Sequence[Request], decoded: Decoded) -> list[Outcome]:
        if self.limits_days and (refused := beyond_days(decoded)):
            return self._store_without(tenant, requests, refused)
        try:
            with self.metrics.time_commit():
                receipts = self._write(tenant, requests, decoded)
        except StoreError as error:
            _log.error(_NOT_STORED, extra={"tenant": tenant, "requests": len(requests), "reason": str(error)})
            return [error] * len(requests)
        except Exception as error:  # noqa: BLE001, any error must reach the senders
            _log.exception(_NOT_STORED, extra={"tenant": tenant, "requests": len(requests)})
            return [error] * len(requests)
        self.metrics.truncated(tenant, decoded.truncated)
        self.metrics.received(spans=sum(decoded.spans_per_request), size=sum(len(request.body) for request in requests))
        return list(receipts)

    def _store_without(self, tenant: str, requests: Sequence[Request], refused: frozenset[int]) -> list[Outcome]:
        """Store requests together, but for those whose spans lie on too many days: they come in a later group."""
        kept = [request for number, request in enumerate(requests) if number not in refused]
        stored = iter(self._store(tenant, kept, self._read(tenant, kept)))
        error = Overloaded("requests with spans of too many days arrive at once: send it again")
        return [error if number in refused else next(stored) for number in range(len(requests))]

    def _write(self, tenant: str, requests: Sequence[Request], decoded: Decoded) -> list[Receipt]:
        limits = self.limits_of(tenant)
        times = self.accepted_times(tenant)
        most_days = MOST_DAYS if self.limits_days else None
        validated = validate(decoded, oldest_ns=times.oldest_ns, newest_ns=times.newest_ns, most_days=most_days)
        validated = within_request(validated, decoded, limits.request_spans)
        hashed = content_hash([request.digest for request in requests])
        with self._within_traces(tenant, validated, decoded, limits.trace_bytes) as validated:
            self._write_blocks(tenant, validated, hashed)
        if self.log is not None:
            self.log.stored(tenant, validated.table)
        count_usage(self.metrics, tenant, limits, validated.table, validated.sizes)
        return [
            self._receipt(tenant, spans, invalid, request.rejected)
            for spans, invalid, request in zip(decoded.spans_per_request, validated.rejected, requests, strict=True)
        ]

    def _write_blocks(self, tenant: str, validated: Validated, hashed: bytes) -> None:
        if not validated.table.num_rows:
            return
        with limited(REQUEST_SECONDS):
            blocks = self.write(tenant, validated.table, hashed)
        self.metrics.written(blocks=len(blocks), size=sum(block.size for block in blocks))

    @contextmanager
    def _within_traces(
        self, tenant: str, validated: Validated, decoded: Decoded, most: int | None
    ) -> Iterator[Validated]:
        """Remove spans of traces that grow larger than ``most`` bytes; nothing grows where storing fails."""
        if most is None or validated.sizes is None or not len(validated.sizes):
            yield validated
            return
        ids = validated.table.column("trace_id").combine_chunks()
        parts = TraceParts.of(ids, validated.sizes, validated.spans_per_request(decoded))
        is_accepted = self.trace_sizes.take(tenant, parts.traces, most)
        try:
            yield parts.without(validated, is_accepted)
        except BaseException:
            self.trace_sizes.give_back(tenant, list(compress(parts.traces, is_accepted)))
            raise

    def count_rejected(self, tenant: str, rejected: Mapping[str, int]) -> None:
        """Count and log spans that are not stored, by reason."""
        self.metrics.rejected(rejected)
        if self.log is not None and rejected:
            self.log.rejected(tenant, rejected)

    def _receipt(self, tenant: str, decoded: int, invalid: Mapping[str, int], unreadable: Mapping[str, int]) -> Receipt:
        """Count the rejected spans, and return the receipt of a request with ``decoded`` spans."""
        rejected = Counter(invalid) + Counter(unreadable)
        self.count_rejected(tenant, rejected)
        self.metrics.of_tenant(tenant, decoded - sum(invalid.values()), rejected)
        return Receipt(decoded - sum(invalid.values()), rejected)


def _shorter(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return other if one is None else one if other is None else min(one, other)


def _middle(requests: Sequence[Request]) -> int:
    """Return the index that divides requests into two parts of about equal size in bytes, neither of them empty."""
    ends = list(accumulate(len(request.body) + 1 for request in requests))
    return min(max(bisect(ends, ends[-1] // 2), 1), len(requests) - 1)


def content_hash(digests: Iterable[bytes]) -> bytes:
    """Hash the digests of requests in any order; the hash names their block."""
    return sha256(b"".join(sorted(digests))).digest()


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
