"""A real `spanlake edge` for tests, and clients that send to it until they are acknowledged."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc

from tests.payloads import export_request
from tests.scenarios.chaos.senders import EXPORT, RETRYABLE
from tests.server_process import SpanlakeServer

_PAUSE = 0.02  # seconds before a client tries again
_PATIENCE = 20  # seconds for an answer


class SpanlakeEdge(SpanlakeServer):
    """An edge process on a data directory; use `start_edge` of conftest to have one."""

    command = "edge"
    http = 8080


class Clients:
    """Threads that send spans of names of their own, one after the other, each until it is acknowledged."""

    def __init__(self, target: str, number: int) -> None:
        self.acknowledged: list[str] = []
        self.surprises: list[str] = []  # answers that no client should get
        self.refused = 0  # calls that ended so that the client sends again
        self._target = target
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(each,), daemon=True) for each in range(number)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def have_heard_of(self, number: int) -> bool:
        """Returns True where so many requests are acknowledged."""
        return len(self.acknowledged) >= number

    def stop(self) -> None:
        """Send nothing more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        with grpc.insecure_channel(self._target, (("grpc.use_local_subchannel_pool", 1),)) as channel:
            call = channel.unary_unary(EXPORT, request_serializer=bytes, response_deserializer=bytes)
            number = 0
            while not self._over.is_set():
                name = f"client-{client}-{number}"
                number += self._is_acknowledged(call, name)

    def _is_acknowledged(self, call: "grpc.UnaryUnaryMultiCallable[bytes, bytes]", name: str) -> bool:
        try:
            call(export_request(name).SerializeToString(), timeout=_PATIENCE)
        except grpc.RpcError as error:
            if error.code() not in RETRYABLE:
                self.surprises.append(f"{error.code()} {error.details()}")
            self.refused += 1
            time.sleep(_PAUSE)
            return False
        self.acknowledged.append(name)
        return True


@contextmanager
def sending(edge: SpanlakeEdge, number: int = 20) -> Iterator[Clients]:
    """Clients that send until the block ends."""
    clients = Clients(edge.otlp_grpc, number)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()


def lost(acknowledged: Sequence[str], stored: Sequence[str]) -> set[str]:
    """Returns the ids that were acknowledged and are not stored."""
    return set(acknowledged) - set(stored)
