"""Group commit: requests that arrive together share one block; functions commit them one at a time.

A block for each request costs a quiet server nothing that anybody notices, and its files are in place when it has
answered. A busy server saves that work. Large requests that have to be translated have a lane of their own.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from operator import itemgetter
from threading import Condition, Lock, Thread
from time import monotonic

from spanlake.ingest.errors import Draining, RateLimited
from spanlake.ingest.rates import HELD_SECONDS
from spanlake.ingest.request import Commit, Format, Outcome, Receipt, Request
from spanlake.ingest.tenant_work import TenantWork
from spanlake.store.deadline import limited

_QUIET_SECONDS = 1.0
_FIRST = 8  # requests after a quiet spell


class QuietSpells:
    """Watches when requests come. Use it from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._last: float | None = None
        self._left = 0

    def come(self) -> bool:
        """Note that a request has come; true for the first few since a second without any."""
        with self._lock:
            now = self._clock()
            if self._last is None or now - self._last >= _QUIET_SECONDS:
                self._left = _FIRST
            self._last = now
            if not self._left:
                return False
            self._left -= 1
            return True


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImmediateCommit:
    """A commit that stores each request at once, on the thread that submits it."""

    commit: Commit

    def submit(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
        """Store a request, as GroupCommit.submit does; the future is done when this returns."""
        answer: Future[Receipt] = Future()
        (outcome,) = self.commit(tenant, [Request.of(body, format_)])
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
        return answer


_STORAGE_SECONDS = 15.0  # of storage calls of one group; a worker that waits longer delays others
_IDLE_TENANTS = 256  # whose last group is remembered; forgetting it costs a few milliseconds of linger
_PAUSED_BYTES = 64 << 10  # of a group of a tenant that pauses between its groups: others wait behind it
_MOST_PAUSED_BYTES = 4 << 20  # that wait of such a tenant, beyond which it has to repeat its requests
_RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class GroupPolicy:
    """Rules that form groups from requests. Sizes are bytes of request bodies."""

    linger_seconds: float = 0.01
    max_bytes: int = 16 << 20  # a single request may be larger
    max_requests: int = 1024
    parallel_bytes: int = 8 << 20  # worth storing in parallel with a running group of the tenant
    work_bytes: int = 32 << 20  # in all running groups, unless one alone is larger
    workers: int = 2  # beside one for tenants that pause
    yields_seconds: float = 0.5  # after its pause, for which such a tenant lets the groups of others come first


@dataclass(frozen=True, slots=True)
class _Member:
    """A waiting request, and the future of its sender."""

    body: bytes
    format: Format | None
    answer: "Future[Receipt]"


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests of one tenant that a worker stores together."""

    tenant: str
    members: list[_Member]
    size: int
    pauses: bool
    """True for a group of a tenant that pauses between its groups."""


class _Queue:
    """The waiting requests of one tenant, and the expectations for the next group that follow from the last one."""

    def __init__(self) -> None:
        self.members: deque[_Member] = deque()
        self.size = 0
        self.running = 0  # groups
        self.expected = 1  # requests that seem to be concurrent
        self.since = 0.0  # when the wait for the next group began
        self.pauses_until = 0.0

    @property
    def pauses(self) -> bool:
        """True for a tenant that paused after its last group."""
        return self.pauses_until > 0

    def push(self, member: _Member, now: float) -> None:
        if not self.members:
            self.since = now
        self.members.append(member)
        self.size += len(member.body)

    def wait_seconds(self, policy: GroupPolicy, now: float) -> float | None:
        """Return the seconds until a group should start: 0 for now, None for not before another event."""
        if not self.members:
            return None
        if self.pauses_until > now:
            return self.pauses_until - now
        if self.size >= policy.max_bytes or len(self.members) >= policy.max_requests:
            return 0
        if self.running:
            return 0 if self.size >= policy.parallel_bytes else None
        return 0 if len(self.members) >= self.expected else max(0, self.since + policy.linger_seconds - now)

    def next_size(self, policy: GroupPolicy) -> int:
        """Return the maximum size of the next group in bytes."""
        return max(len(self.members[0].body), min(self.size, self._most_bytes(policy)))

    def take(self, policy: GroupPolicy) -> list[_Member]:
        """Remove the members of the next group, the longest waiting first."""
        taken = [self._pop()]
        size = len(taken[0].body)
        while self.members and len(taken) < policy.max_requests:
            size += len(self.members[0].body)
            if size > self._most_bytes(policy):
                break
            taken.append(self._pop())
        return taken

    def _most_bytes(self, policy: GroupPolicy) -> int:
        return min(policy.max_bytes, _PAUSED_BYTES) if self.pauses else policy.max_bytes

    def _pop(self) -> _Member:
        member = self.members.popleft()
        self.size -= len(member.body)
        return member


class GroupCommit:
    """A commit that stores requests in groups on its own threads; submit from any thread or event loop."""

    def __init__(self, commit: Commit, policy: GroupPolicy, work: TenantWork | None = None) -> None:
        """``work`` says how long a tenant pauses after each of its groups."""
        self._commit = commit
        self._policy = policy
        self._work_of = work or TenantWork()
        self._changed = Condition()
        self._queues: dict[str, _Queue] = {}  # ordered by last service, most recent last
        self._work_bytes = 0
        self._running = {False: 0, True: 0}  # groups of tenants that do not pause, and of those that do
        self._closing = False
        self._workers = [Thread(target=self._work, name=f"commit-{n}", daemon=True) for n in range(policy.workers + 1)]

    def start(self) -> None:
        """Start the workers."""
        for worker in self._workers:
            worker.start()

    def submit(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
        """Queue a request; the future holds its receipt, or the exception that says why it was not stored.

        Without a format the body is an ExportTraceServiceRequest.

        Cancelling the future before its group starts removes the request. Raises Draining after close, and RateLimited
        where too many requests of a tenant wait that pauses between its groups.
        """
        member = _Member(body, format_, Future())
        self._work_of.note(tenant)
        with self._changed:
            if self._closing:
                raise Draining("the server is shutting down")
            queue, now = self._queues.setdefault(tenant, _Queue()), monotonic()
            if queue.pauses and queue.size >= _MOST_PAUSED_BYTES:
                raise _refusal()
            queue.push(member, now)
            if len(queue.members) == 1 or queue.wait_seconds(self._policy, now) == 0:
                self._changed.notify()
        return member.answer

    def close(self) -> None:
        """Refuse new requests, store all that wait, and return when all are answered."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while (group := self._next_group()) is not None:
            waited_for = [member for member in group.members if member.answer.set_running_or_notify_cancel()]
            with self._work_of.charged(group.tenant):
                outcomes = self._store(group.tenant, waited_for)
            self._finish(group)
            for member, outcome in zip(waited_for, outcomes, strict=True):
                _answer(member, outcome)

    def _store(self, tenant: str, members: list[_Member]) -> list[Outcome]:
        if not members:
            return []
        try:
            with limited(_STORAGE_SECONDS):
                return self._commit(tenant, [Request.of(member.body, member.format) for member in members])
        except Exception as error:  # noqa: BLE001, any error must reach the senders, and the worker must go on
            return [error] * len(members)
        except BaseException as error:  # noqa: BLE001, such as a panic of a library in Rust
            _log.critical("a group of requests could not be stored", exc_info=error)
            return [RuntimeError(f"{type(error).__name__}: {error}")] * len(members)

    def _next_group(self) -> _Group | None:
        with self._changed:
            while True:
                wait, tenant = self._first_due()
                if wait == 0 and self._has_worker(tenant) and self._has_room(tenant):
                    return self._start(tenant)
                if self._closing and not any(queue.members for queue in self._queues.values()):
                    return None
                self._changed.wait(wait or None)

    def _first_due(self) -> tuple[float | None, str]:
        """Return the seconds until a group should start, and its tenant.

        Among several the least recently served comes first, those that pause after all others.
        """
        now = monotonic()
        waits = [
            (0 if self._closing else max(wait, self._yields_seconds(queue, now)), queue.pauses, tenant)
            for tenant, queue in self._queues.items()
            if (wait := queue.wait_seconds(self._policy, now)) is not None
        ]
        wait, _, tenant = min(waits, key=itemgetter(0, 1), default=(None, False, ""))
        return wait, tenant

    def _yields_seconds(self, queue: _Queue, now: float) -> float:
        """Return the seconds for which a tenant that pauses lets groups of others run first; 0 while none run."""
        if not queue.pauses or not self._running[False]:
            return 0
        return max(0, max(queue.pauses_until, queue.since) + self._policy.yields_seconds - now)

    def _has_worker(self, tenant: str) -> bool:
        """True where a worker is left: a tenant that pauses has one, and never keeps others from theirs."""
        pauses = self._queues[tenant].pauses
        return self._running[pauses] < (1 if pauses else self._policy.workers)

    def _has_room(self, tenant: str) -> bool:
        size = self._work_bytes + self._queues[tenant].next_size(self._policy)
        return self._work_bytes == 0 or size <= self._policy.work_bytes

    def _start(self, tenant: str) -> _Group:
        queue = self._queues.pop(tenant)
        self._queues[tenant] = queue
        members = queue.take(self._policy)
        group = _Group(tenant, members, sum(len(member.body) for member in members), queue.pauses)
        queue.running += 1
        self._running[group.pauses] += 1
        self._work_bytes += group.size
        return group

    def _finish(self, group: _Group) -> None:
        pause = self._work_of.pause(group.tenant)
        with self._changed:
            queue = self._queues[group.tenant]
            queue.running -= 1
            self._running[group.pauses] -= 1
            queue.since = now = monotonic()
            queue.pauses_until = now + pause if pause else 0.0
            queue.expected = len(group.members) + len(queue.members)
            self._work_bytes -= group.size
            self._forget_idle()
            self._changed.notify_all()

    def _forget_idle(self) -> None:
        if len(self._queues) <= _IDLE_TENANTS:
            return
        idle = [tenant for tenant, queue in self._queues.items() if not queue.members and not queue.running]
        for tenant in idle[: len(self._queues) - _IDLE_TENANTS]:
            del self._queues[tenant]


def _refusal() -> RateLimited:
    message = (
        "the tenant takes most of the processor time while others are active: send it again after "
        f"{_RETRY_SECONDS} s, or have the operator set its ingest-rate"
    )
    return RateLimited(message, _RETRY_SECONDS, HELD_SECONDS)


def _answer(member: _Member, outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        member.answer.set_exception(outcome)
    else:
        member.answer.set_result(outcome)


_LARGE = 256 << 10
"""Size in bytes above which a request in another format than OTLP protobuf takes its own lane. Translation takes some
10 µs of Python for a span, and so up to seconds for a request of the largest size."""


class Lanes:
    """A commit in groups, in which large requests of other formats have a thread of their own."""

    def __init__(self, commit: Commit, policy: GroupPolicy, work: TenantWork | None = None) -> None:
        """Make two lanes, which share the work of tenants."""
        both = work or TenantWork()
        self._usual = GroupCommit(commit, policy, both)
        self._large = GroupCommit(commit, replace(policy, workers=1), both)

    def start(self) -> None:
        """Start the workers."""
        self._usual.start()
        self._large.start()

    def submit(self, tenant: str, body: bytes, format_: Format | None = None) -> "Future[Receipt]":
        """Queue a request, as GroupCommit.submit does. Raises Draining and RateLimited."""
        lane = self._usual if format_ is None or len(body) <= _LARGE else self._large
        return lane.submit(tenant, body, format_)

    def close(self) -> None:
        """Refuse new requests, store all that wait, and return when all are answered."""
        self._usual.close()
        self._large.close()
