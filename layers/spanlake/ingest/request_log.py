"""Acknowledged requests in the write-ahead log, and the thread that makes blocks of them.

Blocks are made after a second, at a size, and at once for a reader, who waits for those of the tenant that is asked
for. The others stay in the log until their time comes: who asks much makes no work for the others, and no small blocks.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Condition, Lock, Thread

from spanlake.ingest.log_segments import (
    BEGINNING,
    USUAL_LOG,
    Group,
    LogFiles,
    LogPolicy,
    Pending,
    beginning,
    decoded,
    from_record,
    received_ns_of,
    requests_of,
    to_record,
)
from spanlake.ingest.request import Outcome, Request
from spanlake.ingest.tenant_work import TenantWork
from spanlake.spans.otlp.precheck import Checked
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import StorageTimeout, StorageUnavailable, StoreError

_log = logging.getLogger(__name__)

_ROOM_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class LogStore:
    """The storage of logged requests, which were received after a time in Unix nanoseconds."""

    requests: Callable[[str, Checked, Sequence[bytes], int], None]
    """Stores requests of a tenant, with their digests; raises StoreError."""
    readable: Callable[[str, Sequence[Request], int], list[Outcome]]
    """Stores those of a tenant's requests that can be read; an outcome for each."""


class RequestLog:
    """The log of one process. Append from any thread."""

    def __init__(
        self, files: LogFiles, store: LogStore, policy: LogPolicy = USUAL_LOG, work: TenantWork | None = None
    ) -> None:
        self._work_of = work or TenantWork()
        self._files = files
        self._store = store
        self._policy = policy
        self._turn = Lock()  # held to append to the open segment, and to seal it
        self._open: Pending | None = None
        self._changed = Condition()
        self._waiting: deque[Pending] = deque()  # with groups that are to become blocks, or sealed
        self._asked: Counter[str] = Counter()  # readers that wait, by tenant
        self._handed_ever = 0  # groups
        self._attempts = 0
        self._failure: tuple[int, StoreError] | None = None  # of the last attempt, which has this number
        self._retry_at = 0.0
        self._closing_after: int | None = None  # attempts, of which one more is made at the end
        self._thread = Thread(target=self._work, name="log", daemon=True)

    def start(self) -> None:
        """Begin to make blocks, first of what ended processes have left; raises StoreError."""
        self.adopt()
        self._thread.start()

    def close(self) -> None:
        """Make blocks of everything, and return; what could not be stored stays in the log for the next process.

        Storage that failed before is tried once more: the next process may be on another machine.
        """
        with self._turn:
            self._seal()
        with self._changed:
            self._closing_after = self._attempts
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for pending in self._waiting:
            pending.segment.close()

    def adopt(self) -> None:
        """Take over what ended processes have left; raises StoreError."""
        for segment in self._files.log.adopt():
            pending = Pending(segment, time.monotonic(), self._policy)
            for record in segment.records():
                tenant, request = from_record(record)
                if request.digest == BEGINNING:
                    self._hand_over(pending, tenant)
                    pending.begin(tenant, received_ns_of(request))
                else:
                    pending.add(tenant, [request])
            _log.info("log of an ended process found", extra={"file": str(segment.path), "bytes": pending.size})
            self._hand_over(pending)

    def append(self, tenant: str, requests: Sequence[Request], checked: Checked) -> None:
        """Log requests, durable when this returns; raises StorageUnavailable, and then they are not logged."""
        self._wait_for_room()
        with self._turn:
            if self._open is not None and not self._open.has_room_for(tenant, checked):
                self._seal()
            pending = self._open or Pending(self._files.create(), time.monotonic(), self._policy)
            is_new, self._open = self._open is None, pending
            is_another = tenant in pending.was_cut and tenant not in pending.gathering
            received_ns = time.time_ns()
            logged = [beginning(received_ns), *requests] if is_another else requests
            try:
                pending.segment.append([to_record(tenant, request) for request in logged])
            except StorageUnavailable:
                self._seal()  # nothing follows in a segment that has failed
                raise
            if is_another:
                pending.begin(tenant, received_ns)
            pending.add(tenant, requests, checked)
            if pending.size >= self._policy.segment_bytes:
                self._seal()
        if is_new:
            with self._changed:
                self._changed.notify_all()

    def settle(self, tenant: str | None = None) -> None:
        """Return when all requests that were acknowledged, or those of a tenant, are in blocks and the index.

        This includes the requests that other processes have logged in the same directory. Raises StoreError.
        """
        if self._open is not None:
            with self._turn:
                self._cut(tenant)
        self._wait_for_others()
        if self._waiting:
            self._wait_for_blocks(tenant)

    def _wait_for_room(self) -> None:
        with self._changed:
            if self._failure is None and not self._has_room():
                self._changed.wait_for(self._has_room, _ROOM_SECONDS)
            if self._failure is not None or not self._has_room():
                raise StorageUnavailable("logged requests wait to become blocks")

    def _has_room(self) -> bool:
        ready = [group for pending in self._waiting for group in pending.ready]
        return (
            sum(group.size for group in ready) < self._policy.most_sealed_bytes
            and len(ready) < self._policy.most_sealed_tenants
        )

    def _cut(self, tenant: str | None) -> None:
        """Hand the requests of a tenant to the thread, or the open segment; the caller holds the turn."""
        if tenant is None:
            self._seal()
        elif self._open is not None and tenant in self._open.gathering:
            self._hand_over(self._open, tenant)

    def _seal(self) -> None:
        """Hand the open segment to the thread; the caller holds the turn."""
        if self._open is not None:
            self._hand_over(self._open)
            self._open = None

    def _hand_over(self, pending: Pending, tenant: str | None = None) -> None:
        """Have blocks made of what came of a tenant, or of all tenants, after whom none are added."""
        with self._changed:
            names = list(pending.gathering) if tenant is None else [tenant]
            for group in (pending.gathering.pop(name) for name in names if name in pending.gathering):
                self._handed_ever += 1
                group.number = self._handed_ever
                pending.ready.append(group)
            pending.was_cut.update(names)
            pending.is_sealed = tenant is None
            if pending not in self._waiting:
                self._waiting.append(pending)
            self._changed.notify_all()

    def _wait_for_blocks(self, tenant: str | None) -> None:
        end = time.monotonic() + REQUEST_SECONDS
        with self._changed, self._asking(tenant):
            wanted, attempts = self._handed_ever, self._attempts
            self._retry_at = 0.0
            self._changed.notify_all()
            while self._holds(tenant, wanted):
                if self._failure is not None and self._failure[0] > attempts:
                    raise StorageUnavailable(f"spans are not yet in blocks: {self._failure[1]}") from self._failure[1]
                if time.monotonic() >= end:
                    raise StorageTimeout("spans did not become blocks in time: try again")
                self._changed.wait(end - time.monotonic())

    @contextmanager
    def _asking(self, tenant: str | None) -> Iterator[None]:
        """Have blocks of a tenant made before those of others."""
        if tenant is None:
            yield
            return
        self._asked[tenant] += 1
        try:
            yield
        finally:
            self._asked[tenant] -= 1
            if not self._asked[tenant]:
                del self._asked[tenant]

    def _holds(self, tenant: str | None, most: int) -> bool:
        """True where groups of the tenant, or of any, that were handed over until then are not yet in blocks."""
        return any(
            group.number <= most and tenant in (None, group.tenant)
            for pending in self._waiting
            for group in pending.ready
        )

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
                if self._waiting and (now >= self._retry_at or self._attempts == self._closing_after):
                    return self._attempt
                if opened is not None and now >= opened.due():
                    return partial(self._seal_old, opened)
                if self._closing_after is not None:
                    return None
                dues = [self._retry_at] if self._waiting else []
                dues += [opened.due()] if opened is not None else []
                self._changed.wait(min(dues) - now if dues else None)

    def _seal_old(self, opened: Pending) -> None:
        with self._turn:
            if self._open is opened:
                self._seal()

    def _attempt(self) -> None:
        """Make a block of the next group, or remove the file of a segment that has become blocks."""
        with self._changed:
            self._attempts += 1
            pending, group = self._next_group()
        try:
            if group is not None:
                with self._work_of.charged(group.tenant):
                    self._store_group(group, pending)
            else:
                pending.segment.remove()
                self._files.reserve.fill()
        except Exception as error:  # noqa: BLE001, the thread must go on, and readers be told
            self._note(error)
            return
        with self._changed:
            if group is not None:
                pending.ready.remove(group)
            if (group is None) if pending.is_sealed else not pending.ready:
                self._waiting.remove(pending)
            self._failure, self._retry_at = None, 0.0
            self._changed.notify_all()

    def _next_group(self) -> tuple[Pending, Group | None]:
        """Return a group that a reader waits for, or the oldest; no group for a sealed segment without any.

        Of several tenants whose readers wait, the one that took the least time lately comes first.
        """
        asked = [
            (pending, group) for pending in self._waiting for group in pending.ready if group.tenant in self._asked
        ]
        oldest = self._waiting[0]
        found = (oldest, oldest.ready[0] if oldest.ready else None)
        return min(asked, key=lambda one: self._work_of.recent(one[1].tenant), default=found)

    def _note(self, error: Exception) -> None:
        _log.error("logged requests could not be stored yet", exc_info=error)
        with self._changed:
            failure = error if isinstance(error, StoreError) else StorageUnavailable(str(error))
            self._failure = self._attempts, failure
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self._changed.notify_all()

    def _store_group(self, group: Group, pending: Pending) -> None:
        """Make blocks of a group; raises StoreError."""
        try:
            self._store_together(group, pending)
        except StorageUnavailable as error:
            if not _is_disk_full(error) or not self._files.reserve.release():
                raise
            self._store_together(group, pending)

    def _store_together(self, group: Group, pending: Pending) -> None:
        tenant, received_ns = group.tenant, group.received_ns
        try:
            with limited(REQUEST_SECONDS):
                self._store.requests(tenant, group.checked(), group.digests, received_ns)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001, one request must not stop the others
            _log.warning("logged requests cannot be stored together", extra={"tenant": tenant, "reason": str(error)})
            self._store_apart(tenant, requests_of(group, pending.segment), received_ns)

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
                self._store.requests(tenant, decoded([request.body]), [request.digest], received_ns)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001, as above
            kept = self._files.keep(tenant, request)
            _log.exception("acknowledged request cannot be stored", extra={"kept": str(kept)})


def _is_disk_full(error: StorageUnavailable) -> bool:
    from spanlake.store.index.sqlite_schema import is_full  # drags in sqlite3, which functions lack the time for
    from spanlake.store.objects.local import FULL

    return is_full(error) or getattr(error.__cause__, "errno", None) in FULL
