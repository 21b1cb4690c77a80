"""A real `spanlake edge` for tests, and clients that send to it until they are acknowledged."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc

from tests.payloads import export_request
from tests.scenarios.chaos.senders import EXPORT, RETRYABLE
from tests.server_process import SpanlakeServer

_PAUSE = 0.02  # seconds before a client tries again
_PATIENCE = 20  # seconds for an answer


class SpanlakeEdge(SpanlakeServer):
    """Supervisor with its workers; use `start_edge` of conftest to have one."""

    command = "edge"
    http = 8080

    def wait_for_workers(self, number: int) -> None:
        """Return when so many take requests."""
        self.wait_for(lambda: self.metric("spanlake_edge_workers_ready") == number)

    def worker_pids(self) -> list[int]:
        """The workers' processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_worker(self, pid: int) -> None:
        """End one without a chance to do anything, and wait until it is gone."""
        self.signal_worker(pid, signal.SIGKILL)
        self.wait_for(lambda: not is_running(pid))

    def signal_worker(self, pid: int, number: signal.Signals) -> None:
        """Send one a signal."""
        assert pid in self.worker_pids()
        os.kill(pid, number)

    def connections(self, pid: int) -> int:
        """Returns the number of OTLP connections of a worker."""
        port = f"{4317 + self.offset:04X}"
        tables = (Path("/proc/net", table).read_text().splitlines()[1:] for table in ("tcp", "tcp6"))
        rows = [line.split() for table in tables for line in table]
        established = {row[9] for row in rows if row[1].endswith(f":{port}") and row[3] == "01"}
        return len(established & set(_sockets(pid)))


def _sockets(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            name = str(descriptor.readlink())
            if name.startswith("socket:["):
                yield name[len("socket:[") : -1]


def is_running(pid: int) -> bool:
    """Returns True where a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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
    """Clients that send meanwhile: so many that both of two workers get some, to which the kernel deals them by lot."""
    clients = Clients(edge.otlp_grpc, number)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()


def lost(acknowledged: Sequence[str], stored: Sequence[str]) -> set[str]:
    """Returns the ids that were acknowledged and are not stored."""
    return set(acknowledged) - set(stored)
