"""S3 and DynamoDB that fail at one call of an operation, in each way in which services fail."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.cloud import Reply

HANG_SECONDS = 1.0


class Fault(StrEnum):
    """Fault of one call."""

    HANGS = "hangs"  # nothing comes back, and the request is carried out much later
    LOST = "lost"  # carried out, and the answer does not come back
    CUT = "cut"  # the connection breaks while the request is sent; the client tries again
    THROTTLED = "throttled"  # refused once; the client tries again
    DENIED = "denied"
    CONFLICT = "conflict"  # another writer's transaction is in the way once; of S3 nothing
    SLOW = "slow"


_SLOW_SECONDS = 0.05
_CONFLICT = Reply.refusal("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}])
_REPLIES = {
    (Fault.THROTTLED, "s3"): Reply.s3_refusal("SlowDown", 503),
    (Fault.THROTTLED, "dynamodb"): Reply.refusal("ThrottlingException"),
    (Fault.DENIED, "s3"): Reply.s3_refusal("AccessDenied", 403),
    (Fault.DENIED, "dynamodb"): Reply.refusal("AccessDeniedException"),
}
_CONFLICTS = {"TransactWriteItems": _CONFLICT, "UpdateItem": Reply.refusal("TransactionConflictException")}
_LASTING = {Fault.DENIED, Fault.LOST}


class FaultyCalls:
    """Calls of several clients that end with a fault: the one with a number, counted from 1, or all for None."""

    def __init__(self, fault: Fault, number: int | None) -> None:
        self._fault = fault
        self._number = number
        self._calls = 0
        self._lock = threading.Lock()
        self._here = threading.local()  # a call has its own thread

    @property
    def was_reached(self) -> bool:
        """True when there were so many calls."""
        return self._calls >= (self._number or 1)

    @contextmanager
    def of(self, *clients: Any) -> Iterator[None]:
        """Let the call fail, of all that the clients do inside."""
        with ExitStack() as stack:
            for client in clients:
                stack.enter_context(self._of(client))
            yield

    @contextmanager
    def _of(self, client: Any) -> Iterator[None]:
        service = client.meta.service_model.service_name

        def begin(model: Any, **_: Any) -> None:
            with self._lock:
                self._calls += 1
                self._here.operation = model.name if self._number in {None, self._calls} else ""

        def send(request: Any, **_: Any) -> AWSResponse | None:
            operation: str = getattr(self._here, "operation", "")
            if not operation:
                return None
            if self._fault not in _LASTING:
                self._here.operation = ""
            return self._sent(service, operation, request)

        def end(**_: Any) -> None:
            if self._fault is Fault.LOST and getattr(self._here, "operation", None):
                self._here.operation = ""
                raise ReadTimeoutError(endpoint_url=service)

        handlers = {"before-call": begin, "before-send": send, "after-call": end}
        for event, handler in handlers.items():
            client.meta.events.register(event, handler)
        try:
            yield
        finally:
            for event, handler in handlers.items():
                client.meta.events.unregister(event, handler)

    def _sent(self, service: str, operation: str, request: Any) -> AWSResponse | None:
        """Carries out the fault; returns the answer in place of the service's, or None to let the service answer."""
        match self._fault:
            case Fault.HANGS:
                time.sleep(HANG_SECONDS)
            case Fault.SLOW:
                time.sleep(_SLOW_SECONDS)
            case Fault.CUT:
                raise ConnectionClosedError(endpoint_url=request.url)
            case Fault.CONFLICT:
                reply = _CONFLICTS.get(operation) if service == "dynamodb" else None
                return None if reply is None else reply.to(request)
            case Fault.THROTTLED | Fault.DENIED:
                return _REPLIES[self._fault, service].to(request)
        return None
