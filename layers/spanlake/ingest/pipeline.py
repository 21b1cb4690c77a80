"""What happens to a group of requests: decode, check, store; each request comes out with an outcome of its own."""

import logging
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from itertools import accumulate

import pyarrow as pa

from spanlake.ingest.metrics import IngestMetrics
from spanlake.ingest.request import Outcome, Receipt, Request
from spanlake.ingest.translation import told, translated
from spanlake.spans.decode import Decoded
from spanlake.spans.validate import validate
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import StoreError
from spanlake.store.index import Block

FUTURE = timedelta(days=1)  # how far ahead of ours a sender's clock may be

Read = Callable[[Sequence[bytes]], Decoded]
Write = Callable[[str, pa.Table, bytes], Sequence[Block]]  # tenant, span table, hash of what it was made from

Since = Callable[[str, int], Mapping[bytes, int]]
"""Traces of a tenant that were deleted at or after a time, with the time of the deletion, in Unix nanoseconds."""

WriteDeleted = Callable[[str, pa.Table, bytes, Mapping[bytes, int]], Sequence[Block]]
"""Writes the spans of deleted traces again; takes what Write takes, and the traces."""

_NOT_STORED = "a group of requests could not be stored"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stores groups of requests of one tenant; safe to use from several threads. It is a Commit."""

    read: Read
    write: Write
    metrics: IngestMetrics
    retention: timedelta | None = None  # spans that started longer ago are refused; None keeps any age
    clock: Callable[[], int] = time.time_ns

    def __call__(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Store the requests together; one that cannot be read fails alone, when storage fails all do."""
        in_otlp = translated(requests)
        stored = iter(self._store_as_otlp(tenant, [each for each in in_otlp if isinstance(each, Request)]))
        return [next(stored) if isinstance(each, Request) else each for each in in_otlp]

    def store_deleted(
        self, write: WriteDeleted, tenant: str, request: Request, deleted: Mapping[bytes, int]
    ) -> Outcome:
        """Store those spans of a stored request again whose traces were deleted since."""

        def write_some(tenant: str, table: pa.Table, content_hash: bytes) -> Sequence[Block]:
            return write(tenant, table, content_hash, deleted)

        (outcome,) = replace(self, write=write_some)(tenant, [request])
        return outcome

    def _store_as_otlp(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        """Store requests in the order of their digests: the same requests make the same block, byte for byte."""
        positions = sorted(range(len(requests)), key=lambda position: requests[position].digest)
        outcomes = self._store_in_order(tenant, [requests[position] for position in positions])
        by_position = dict(zip(positions, outcomes, strict=True))
        return [by_position[position] for position in range(len(requests))]

    def _store_in_order(self, tenant: str, requests: Sequence[Request]) -> list[Outcome]:
        if not requests:
            return []
        try:
            decoded = self._read(requests)
        except Exception as error:  # noqa: BLE001, one odd request must not take the others with it
            return self._store_readable(tenant, requests, self._faults(requests, 0, error))
        return self._store(tenant, requests, decoded)

    def _read(self, requests: Sequence[Request]) -> Decoded:
        return self.read([request.body for request in requests])

    def _store_readable(
        self, tenant: str, requests: Sequence[Request], faults: Mapping[int, Exception]
    ) -> list[Outcome]:
        readable = [request for index, request in enumerate(requests) if index not in faults]
        stored = iter(self._store(tenant, readable, self._read(readable)) if readable else ())
        return [faults[index] if index in faults else next(stored) for index in range(len(requests))]

    def _faults(self, requests: Sequence[Request], first: int, error: Exception) -> dict[int, Exception]:
        """Which of these requests cannot be read at all, by index, given the error of reading them together.

        Halving costs a hostile group a reading for each doubling of its size, where striking out one by one would
        cost a reading for each request. A request larger than all others together is read three times at most.
        """
        if len(requests) == 1:
            return {first: told(error)}
        middle = _middle(requests)
        return self._faults_in(requests[:middle], first) | self._faults_in(requests[middle:], first + middle)

    def _faults_in(self, requests: Sequence[Request], first: int) -> dict[int, Exception]:
        try:
            self._read(requests)
        except Exception as error:  # noqa: BLE001, as above
            return self._faults(requests, first, error)
        return {}

    def _store(self, tenant: str, requests: Sequence[Request], decoded: Decoded) -> list[Outcome]:
        try:
            with self.metrics.time_commit():
                receipts = self._write(tenant, requests, decoded)
        except StoreError as error:
            _log.error(_NOT_STORED, extra={"tenant": tenant, "requests": len(requests), "reason": str(error)})
            return [error] * len(requests)
        except Exception as error:  # noqa: BLE001, whatever it is, the senders must hear of it
            _log.exception(_NOT_STORED, extra={"tenant": tenant, "requests": len(requests)})
            return [error] * len(requests)
        self.metrics.received(spans=sum(decoded.spans_per_request), size=sum(len(request.body) for request in requests))
        return list(receipts)

    def _write(self, tenant: str, requests: Sequence[Request], decoded: Decoded) -> list[Receipt]:
        now = self.clock()
        oldest = None if self.retention is None else now - _nanoseconds(self.retention)
        validated = validate(decoded, oldest_ns=oldest, newest_ns=now + _nanoseconds(FUTURE))
        if validated.table.num_rows:
            with limited(REQUEST_SECONDS):
                blocks = self.write(tenant, validated.table, _content_hash(requests))
            self.metrics.written(blocks=len(blocks), size=sum(block.size for block in blocks))
        return [
            self._receipt(spans, invalid, request.rejected)
            for spans, invalid, request in zip(decoded.spans_per_request, validated.rejected, requests, strict=True)
        ]

    def _receipt(self, decoded: int, invalid: Mapping[str, int], unreadable: Mapping[str, int]) -> Receipt:
        """Counts the rejected spans and returns the receipt of a request with ``decoded`` spans."""
        rejected = Counter(invalid) + Counter(unreadable)
        self.metrics.rejected(rejected)
        return Receipt(decoded - sum(invalid.values()), rejected)


def _middle(requests: Sequence[Request]) -> int:
    """Where to part requests, so that both parts have about as many bytes, and neither none."""
    ends = list(accumulate(len(request.body) + 1 for request in requests))
    return min(max(bisect(ends, ends[-1] // 2), 1), len(requests) - 1)


def _content_hash(requests: Sequence[Request]) -> bytes:
    """Names the block of these requests, in whatever order they came."""
    return sha256(b"".join(sorted(request.digest for request in requests))).digest()


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
