"""Acknowledged requests in the write-ahead log, and the thread that makes blocks of them.

Blocks are made after a second, at a size, and at once for a reader, who waits for them.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Condition, Lock, Thread

from spanlake.ingest.request import Outcome, Request
from spanlake.spans.otlp.precheck import NO_DAYS, AcceptedTimes, Checked, check
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.disk import Reserve, make_directories
from spanlake.store.errors import StorageTimeout, StorageUnavailable, StoreError
from spanlake.store.write_ahead_log import Segment, WriteAheadLog

_log = logging.getLogger(__name__)

_ROOM_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_POLL_SECONDS = 0.01
_RESERVE_BYTES = 8 << 20  # of disk, so that logged requests become blocks on a full disk: blocks are smaller
_DIGEST_BYTES = 32
_WORTH_KEEPING = 64  # spans of a group; of fewer the bytes are decoded again, together with others
_MOST_DAYS = 64  # on which the spans of a segment started
_ANY_TIME = AcceptedTimes(0, 2**64 - 1)


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Rules that form segments from logged requests, each of which becomes a block for each tenant and day."""

    segment_seconds: float = 1.0  # longest time that requests are only in the log
    segment_bytes: int = 8 << 20
    segment_tenants: int = 128
    most_sealed_bytes: int = 16 << 20  # of requests that wait to become blocks, beyond which new ones wait
    most_sealed_tenants: int = 256


USUAL_LOG = LogPolicy()


@dataclass(frozen=True, slots=True)
class LogStore:
    """The storage of logged requests, which were received after a time in Unix nanoseconds."""

    requests: Callable[[str, Checked, Sequence[bytes], int], None]
    """Stores requests of a tenant, with their digests; raises StoreError."""
    readable: Callable[[str, Sequence[Request], int], list[Outcome]]
    """Stores those of a tenant's requests that can be read; an outcome for each."""


@dataclass(slots=True)
class _OfTenant:
    """Requests of a tenant in one segment, in order: groups that are kept decoded, and bodies of others."""

    digests: list[bytes] = field(default_factory=list)
    parts: list[Checked | list[bytes]] = field(default_factory=list)

    def add(self, requests: Sequence[Request], checked: Checked | None) -> None:
        self.digests += [request.digest for request in requests]
        if checked is not None and sum(checked.spans_per_request) >= _WORTH_KEEPING:
            self.parts.append(checked)
            return
        if not self.parts or isinstance(self.parts[-1], Checked):
            self.parts.append([])
        self.parts[-1] += [request.body for request in requests]  # type: ignore[operator]

    def checked(self) -> Checked:
        """Return all requests, decoded as far as the check does it; raises ValueError."""
        return Checked.concat([part if isinstance(part, Checked) else _checked(part) for part in self.parts])


def _checked(bodies: Sequence[bytes]) -> Checked:
    checked = check(bodies, _ANY_TIME)
    if checked is None:
        raise ValueError("the log holds requests that were not to be logged")
    return checked


@dataclass(slots=True)
class _Pending:
    """The requests of one segment, by tenant."""

    segment: Segment
    since: float  # monotonic seconds
    policy: LogPolicy
    tenants: dict[str, _OfTenant] = field(default_factory=dict)
    size: int = 0
    days: tuple[int, int] = NO_DAYS

    def add(self, tenant: str, requests: Sequence[Request], checked: Checked | None = None) -> None:
        self.tenants.setdefault(tenant, _OfTenant()).add(requests, checked)
        self.size += sum(len(request.body) for request in requests)
        if checked is not None:
            self.days = _spanning(self.days, checked.days)

    def has_room_for(self, tenant: str, checked: Checked) -> bool:
        """True where the spans are of few tenants and on few days with these: each of them makes a file."""
        if len(self.tenants) >= self.policy.segment_tenants and tenant not in self.tenants:
            return False
        first, last = _spanning(self.days, checked.days)
        return last - first < _MOST_DAYS

    def due(self) -> float:
        return self.since + self.policy.segment_seconds


def _spanning(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    if NO_DAYS in (one, other):
        return other if one == NO_DAYS else one
    return min(one[0], other[0]), max(one[1], other[1])


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of a log in a data directory."""

    log: WriteAheadLog
    reserve: Reserve
    refused: Path
    """Folder of acknowledged requests that could not be decoded, which would be a fault of this program."""

    @classmethod
    def of(cls, data: Path) -> "LogFiles":
        """Return the files in a data directory."""
        folder = data / "log"
        return cls(WriteAheadLog(folder), Reserve(folder / ".reserve", _RESERVE_BYTES), folder / "refused")

    def create(self) -> Segment:
        """Begin a file of the log, with disk held back for its blocks; raises StorageUnavailable."""
        segment = self.log.create()
        self.reserve.fill()
        if self.reserve.is_whole():
            return segment
        segment.remove()
        raise StorageUnavailable("the disk has no room to hold back for blocks of logged requests")

    def keep(self, tenant: str, request: Request) -> Path:
        """Write a request to a file; raises StorageUnavailable."""
        path = self.refused / f"{tenant}-{request.digest.hex()}.otlp"
        try:
            make_directories(self.refused)
            with path.open("wb") as file:
                file.write(request.body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageUnavailable(f"cannot write {path}: {error.strerror}") from error
        return path


class RequestLog:
    """The log of one process. Append from any thread."""

    def __init__(self, files: LogFiles, store: LogStore, policy: LogPolicy = USUAL_LOG) -> None:
        self._files = files
        self._store = store
        self._policy = policy
        self._turn = Lock()  # held to append to the open segment, and to seal it
        self._open: _Pending | None = None
        self._changed = Condition()
        self._sealed: deque[_Pending] = deque()
        self._sealed_ever = 0
        self._stored_ever = 0
        self._attempts = 0
        self._failure: tuple[int, StoreError] | None = None  # of the last attempt, which has this number
        self._retry_at = 0.0
        self._closing = False
        self._thread = Thread(target=self._work, name="log", daemon=True)

    def start(self) -> None:
        """Begin to make blocks, first of what ended processes have left; raises StoreError."""
        self.adopt()
        self._thread.start()

    def close(self) -> None:
        """Make blocks of everything, and return; what could not be stored stays in the log for the next process."""
        with self._turn:
            self._seal()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for pending in self._sealed:
            pending.segment.close()

    def adopt(self) -> None:
        """Take over what ended processes have left; raises StoreError."""
        for segment in self._files.log.adopt():
            pending = _Pending(segment, time.monotonic(), self._policy)
            for record in segment.records():
                tenant, request = _parse(record)
                pending.add(tenant, [request])
            _log.info("log of an ended process found", extra={"file": str(segment.path), "bytes": pending.size})
            self._hand_over(pending)

    def append(self, tenant: str, requests: Sequence[Request], checked: Checked) -> None:
        """Log requests, durable when this returns; raises StorageUnavailable, and then they are not logged."""
        self._wait_for_room()
        with self._turn:
            if self._open is not None and not self._open.has_room_for(tenant, checked):
                self._seal()
            pending = self._open or _Pending(self._files.create(), time.monotonic(), self._policy)
            is_new, self._open = self._open is None, pending
            try:
                pending.segment.append([_record(tenant, request) for request in requests])
            except StorageUnavailable:
                self._seal()  # nothing follows in a segment that has failed
                raise
            pending.add(tenant, requests, checked)
            if pending.size >= self._policy.segment_bytes:
                self._seal()
        if is_new:
            with self._changed:
                self._changed.notify_all()

    def settle(self) -> None:
        """Return when all requests that were acknowledged are in blocks and the index; raises StoreError.

        This includes the requests that other processes have logged in the same directory.
        """
        if self._open is not None:
            with self._turn:
                self._seal()
        self._wait_for_others()
        if self._sealed:
            self._wait_for_blocks()

    def _wait_for_room(self) -> None:
        with self._changed:
            if self._failure is None and not self._has_room():
                self._changed.wait_for(self._has_room, _ROOM_SECONDS)
            if self._failure is not None or not self._has_room():
                raise StorageUnavailable("logged requests wait to become blocks")

    def _has_room(self) -> bool:
        return (
            sum(pending.size for pending in self._sealed) < self._policy.most_sealed_bytes
            and sum(len(pending.tenants) for pending in self._sealed) < self._policy.most_sealed_tenants
        )

    def _seal(self) -> None:
        """Hand the open segment to the thread; the caller holds the turn."""
        if self._open is not None:
            self._hand_over(self._open)
            self._open = None

    def _hand_over(self, pending: _Pending) -> None:
        with self._changed:
            self._sealed.append(pending)
            self._sealed_ever += 1
            self._changed.notify_all()

    def _wait_for_blocks(self) -> None:
        end = time.monotonic() + REQUEST_SECONDS
        with self._changed:
            wanted, attempts = self._sealed_ever, self._attempts
            self._retry_at = 0.0
            self._changed.notify_all()
            while self._stored_ever < wanted:
                if self._failure is not None and self._failure[0] > attempts:
                    raise StorageUnavailable(f"spans are not yet in blocks: {self._failure[1]}") from self._failure[1]
                if time.monotonic() >= end:
                    raise StorageTimeout("spans did not become blocks in time: try again")
                self._changed.wait(end - time.monotonic())

    def _wait_for_others(self) -> None:
        awaited = self._files.log.others()
        end = time.monotonic() + REQUEST_SECONDS
        while awaited:
            self.adopt()
            awaited = [path for path in awaited if path in self._files.log.others()]
            if awaited and time.monotonic() >= end:
                raise StorageTimeout(f"another process keeps spans in its log {awaited[0]}: try again")
            if awaited:
                time.sleep(_POLL_SECONDS)

    def _work(self) -> None:
        while (step := self._next_step()) is not None:
            step()

    def _next_step(self) -> Callable[[], None] | None:
        """Wait until there is something to do; None at the end."""
        with self._changed:
            while True:
                now, opened = time.monotonic(), self._open
                if self._sealed and now >= self._retry_at:
                    return self._attempt
                if opened is not None and now >= opened.due():
                    return partial(self._seal_old, opened)
                if self._closing:
                    return None
                dues = [self._retry_at] if self._sealed else []
                dues += [opened.due()] if opened is not None else []
                self._changed.wait(min(dues) - now if dues else None)

    def _seal_old(self, opened: _Pending) -> None:
        with self._turn:
            if self._open is opened:
                self._seal()

    def _attempt(self) -> None:
        """Make blocks of the oldest sealed segment."""
        with self._changed:
            self._attempts += 1
        try:
            self._make_blocks(self._sealed[0])
        except Exception as error:  # noqa: BLE001, the thread must go on, and readers be told
            self._note(error)
            return
        with self._changed:
            self._sealed.popleft()
            self._stored_ever += 1
            self._failure, self._retry_at = None, 0.0
            self._changed.notify_all()

    def _note(self, error: Exception) -> None:
        _log.error("logged requests could not be stored yet", exc_info=error)
        with self._changed:
            failure = error if isinstance(error, StoreError) else StorageUnavailable(str(error))
            self._failure = self._attempts, failure
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self._changed.notify_all()

    def _make_blocks(self, pending: _Pending) -> None:
        """Make blocks of a segment, and remove it; raises StoreError."""
        for tenant in list(pending.tenants):
            try:
                self._store_tenant(tenant, pending)
            except StorageUnavailable as error:
                if not _is_disk_full(error) or not self._files.reserve.release():
                    raise
                self._store_tenant(tenant, pending)
            del pending.tenants[tenant]
        pending.segment.remove()
        self._files.reserve.fill()

    def _store_tenant(self, tenant: str, pending: _Pending) -> None:
        of_tenant, received_ns = pending.tenants[tenant], pending.segment.created_ns
        try:
            with limited(REQUEST_SECONDS):
                self._store.requests(tenant, of_tenant.checked(), of_tenant.digests, received_ns)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001, one request must not stop the others
            _log.warning("logged requests cannot be stored together", extra={"tenant": tenant, "reason": str(error)})
            requests = [request for name, request in map(_parse, pending.segment.records()) if name == tenant]
            self._store_apart(tenant, requests, received_ns)

    def _store_apart(self, tenant: str, requests: Sequence[Request], received_ns: int) -> None:
        """Store the requests that can be read by the limits of the port, and each of the others by itself."""
        try:
            with limited(REQUEST_SECONDS):
                outcomes = self._store.readable(tenant, requests, received_ns)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001, as above
            outcomes = [error] * len(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                raise outcome
            if isinstance(outcome, Exception):
                self._store_alone(tenant, request, received_ns)

    def _store_alone(self, tenant: str, request: Request, received_ns: int) -> None:
        """Store a request; keep it as a file if that fails for its content."""
        try:
            with limited(REQUEST_SECONDS):
                self._store.requests(tenant, _checked([request.body]), [request.digest], received_ns)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001, as above
            kept = self._files.keep(tenant, request)
            _log.exception("acknowledged request cannot be stored", extra={"kept": str(kept)})


def _record(tenant: str, request: Request) -> bytes:
    name = tenant.encode()
    return b"".join((len(name).to_bytes(2, "little"), name, request.digest, request.body))


def _parse(record: bytes) -> tuple[str, Request]:
    start = 2 + int.from_bytes(record[:2], "little")
    body = start + _DIGEST_BYTES
    return record[2:start].decode(), Request(record[body:], record[start:body])


def _is_disk_full(error: StorageUnavailable) -> bool:
    from spanlake.store.index.sqlite_schema import is_full  # drags in sqlite3, which functions lack the time for
    from spanlake.store.objects.local import FULL

    return is_full(error) or getattr(error.__cause__, "errno", None) in FULL
