"""Time limits of storage calls: a caller leaves a service that does not answer, whatever its client does.

Timeouts of sockets are not enough. They count anew with each byte that arrives and with each attempt, and a request is
many calls.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

from spanlake.store.errors import StorageTimeout, StorageUnavailable

REQUEST_SECONDS = 12.0
"""Time limit of what one request asks of storage: an answer has to leave within 20 s."""

_LONGEST_CALL_SECONDS = 60.0  # of a call that no request waits for
_MOST_CALLS = 256  # at once; calls that were left count until their sockets time out

T = TypeVar("T")

_ends: ContextVar[float] = ContextVar("_ends", default=float("inf"))  # by the monotonic clock
_is_inside: ContextVar[bool] = ContextVar("_is_inside", default=False)
_places = threading.BoundedSemaphore(_MOST_CALLS)


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


def bounded(what: str, call: Callable[[], T]) -> T:
    """Return what the call returns, or raise what it raises, within its time limit: on a thread of its own.

    A call inside another one shares its thread and limit. Raises StorageTimeout, which names what was attempted; the
    call then goes on until its sockets time out, and its outcome is lost.
    """
    if _is_inside.get():
        return call()
    with limited(_LONGEST_CALL_SECONDS):
        if has_passed():
            raise StorageTimeout(f"cannot {what}: the time of the request is over")
        if not _places.acquire(timeout=_ends.get() - time.monotonic()):
            raise StorageTimeout(f"cannot {what}: {_MOST_CALLS} calls are waiting for an answer")
        return _answer(what, _started(call))


def _started(call: Callable[[], T]) -> "Future[T]":
    answer: Future[T] = Future()
    arguments = _work, call, answer, _places
    thread = threading.Thread(target=copy_context().run, args=arguments, name="storage", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system has no more threads
        _places.release()
        raise StorageUnavailable(f"cannot start a thread for a storage call: {error}") from error
    return answer


def _work(call: Callable[[], T], answer: "Future[T]", places: threading.BoundedSemaphore) -> None:
    _is_inside.set(True)
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001, raised again where it is waited for
        answer.set_exception(error)
    finally:
        places.release()


def _answer(what: str, answer: "Future[T]") -> T:
    try:
        return answer.result(max(_ends.get() - time.monotonic(), 0.0))
    except TimeoutError:
        if answer.done():  # the call's own
            raise
        raise StorageTimeout(f"cannot {what}: no answer in time") from None
