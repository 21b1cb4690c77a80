"""Time limits of storage calls: a caller leaves a service that does not answer, whatever its client does.

Timeouts of sockets are not enough. They count anew with each byte that arrives and with each attempt, and a request is
many calls.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from spanlake.store.errors import StorageTimeout, StorageUnavailable

REQUEST_SECONDS = 12.0
"""Time limit of what one request asks of storage: an answer has to leave within 20 s."""

_LONGEST_CALL_SECONDS = 60.0  # of a call that no request waits for

T = TypeVar("T")

_ends: ContextVar[float] = ContextVar("_ends", default=float("inf"))  # by the monotonic clock
_is_inside: ContextVar[bool] = ContextVar("_is_inside", default=False)


class Places:
    """Places of storage calls that may be made at once; calls that were left count until their sockets time out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = threading.BoundedSemaphore(most)

    def take(self, seconds: float) -> bool:
        """Wait for a place; False where none is free in time."""
        return self._free.acquire(timeout=seconds)

    def give_back(self) -> None:
        """Free a place that was taken."""
        self._free.release()


_PLACES = Places(256)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Limit the time of all storage calls made inside, together. A limit around it that ends sooner counts.

    The limit holds in this thread, and in threads that run a copy of its context.
    """
    token = _ends.set(min(_ends.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def has_passed() -> bool:
    """True when the time limit of the calls made here is over."""
    return time.monotonic() >= _ends.get()


def bounded(what: str, call: Callable[[], T], places: Places = _PLACES) -> T:
    """Return what the call returns, or raise what it raises, within its time limit: on a thread of its own.

    A call inside another one shares its thread and limit. Raises StorageTimeout, which names what was attempted; the
    call then goes on until its sockets time out, and its outcome is lost.
    """
    return call() if _is_inside.get() else _begun(what, call, places)()


def side_by_side(what: str, calls: Iterable[Callable[[], T]], at_once: int, places: Places = _PLACES) -> Iterator[T]:
    """Yield what calls return, in their order, so many of them at once; each is made as ``bounded`` makes it."""
    running: deque[Callable[[], T]] = deque()
    for call in calls:
        if len(running) == at_once:
            yield running.popleft()()
        running.append(call if _is_inside.get() else _begun(what, call, places))
    while running:
        yield running.popleft()()


def _begun(what: str, call: Callable[[], T], places: Places) -> Callable[[], T]:
    """Begin a call on a thread of its own; the result waits for its answer within its time limit."""
    with limited(_LONGEST_CALL_SECONDS):
        if has_passed():
            raise StorageTimeout(f"cannot {what}: the time of the request is over")
        if not places.take(_ends.get() - time.monotonic()):
            raise StorageTimeout(f"cannot {what}: {places.most} calls are waiting for an answer")
        return partial(_answer, what, _started(call, places), _ends.get())


def _started(call: Callable[[], T], places: Places) -> "Future[T]":
    answer: Future[T] = Future()
    work = partial(copy_context().run, _work, call, answer, places)
    try:
        _THREADS.start(work)
    except RuntimeError as error:  # the system has no more threads
        places.give_back()
        raise StorageUnavailable(f"cannot start a thread for a storage call: {error}") from error
    return answer


def _work(call: Callable[[], T], answer: "Future[T]", places: Places) -> None:
    _is_inside.set(True)
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001, raised again where it is waited for
        answer.set_exception(error)
    finally:
        places.give_back()


class Threads:
    """Threads for work that may hang; one that has done its work waits a while for more.

    Handing a call to a thread that waits takes 18 µs of CPU time, to a new one 53.
    """

    def __init__(self, idle_seconds: float = 10.0) -> None:
        self._idle_seconds = idle_seconds
        self._idle: list[SimpleQueue[Callable[[], None]]] = []

    @property
    def idle(self) -> int:
        """Number of threads that wait for work."""
        return len(self._idle)

    def start(self, work: Callable[[], None]) -> None:
        """Do the work on a thread that has none. Raises RuntimeError when there are no more threads."""
        try:
            waiting = self._idle.pop()
        except IndexError:
            waiting = SimpleQueue()
            threading.Thread(target=self._run, args=(waiting,), name="storage", daemon=True).start()
        waiting.put(work)

    def forget(self) -> None:
        """Forget the threads that wait: a forked process has none of them."""
        self._idle.clear()

    def _run(self, own: "SimpleQueue[Callable[[], None]]") -> None:
        work: Callable[[], None] | None = own.get()
        while work is not None:
            work()
            work = None  # which may hold much
            self._idle.append(own)
            work = self._next(own)

    def _next(self, own: "SimpleQueue[Callable[[], None]]") -> Callable[[], None] | None:
        """Wait for work; None when there was none for long."""
        try:
            return own.get(timeout=self._idle_seconds)
        except Empty:
            pass
        try:
            self._idle.remove(own)
        except ValueError:  # work is on its way
            return own.get()
        return None


_THREADS = Threads()
os.register_at_fork(after_in_child=_THREADS.forget)


def _answer(what: str, answer: "Future[T]", end: float) -> T:
    try:
        return answer.result(max(end - time.monotonic(), 0.0))
    except TimeoutError:
        if answer.done():  # the call's own
            raise
        raise StorageTimeout(f"cannot {what}: no answer in time") from None
