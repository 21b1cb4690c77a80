"""A `spanlake serve`, or edge, of its own for each measurement, and what it used."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure.processes import Usage, forget_peak_memory, usage

PORTS = (3100, 3200, 4317, 4318, 6831, 6832, 8080, 9411, 14250, 14268, 55678)
_PROBED = {"serve": 3200, "edge": 8080}
_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    offset: int
    probed: int = _PROBED["serve"]
    """The port that answers probes, before the offset."""

    @property
    def tempo(self) -> int:
        """The port for the Tempo API."""
        return 3200 + self.offset

    @property
    def otlp_http(self) -> int:
        """The port for OTLP over HTTP."""
        return 4318 + self.offset

    @property
    def otlp_grpc(self) -> int:
        """The port for OTLP over gRPC."""
        return 4317 + self.offset

    def metric(self, series: str) -> float:
        """The value of a time series, 0 when there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.probed + self.offset}/metrics", timeout=30) as answer:
            lines = (line.rpartition(" ") for line in answer.read().decode().splitlines())
        return next((float(value) for name, _, value in lines if name == series), 0)

    def usage(self) -> Usage:
        """Returns the usage of the server so far."""
        return usage(self.pid)

    def forget_peak_memory(self) -> None:
        """Begins anew to look for the peak of its memory, at what it uses now."""
        forget_peak_memory(self.pid)


@contextmanager
def serving(data: Path, *options: str, command: str = "serve", checkout: Path | None = None) -> Iterator[Server]:
    """A server on this data directory, or an edge, ready; stopped gracefully at the end.

    Another checkout's server runs in that checkout's own venv.

    Raises RuntimeError with the end of its log when it does not become ready, or when what is done with it fails.
    """
    offset = _free_offset()
    log = data.with_suffix(".log")
    program = checkout / ".venv/bin/spanlake" if checkout else Path(sys.executable).with_name("spanlake")
    words = [str(program), command, "--data", str(data), "--port-offset", str(offset), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, _PROBED[command] + offset)
        yield Server(process.pid, offset, _PROBED[command])
    except Exception as error:
        raise RuntimeError(f"{error}; the server's last words:\n{log.read_text()[-2000:]}") from error
    finally:
        process.terminate()
        process.wait(_STOPPED_WITHIN)


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"spanlake ended with exit status {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"spanlake was not ready after {_READY_WITHIN:.0f} s")


def _free_offset() -> int:
    """An offset at which all ports of a server are free."""
    for offset in range(2_000, 10_000, 100):
        if all(_is_free(port + offset) for port in PORTS):
            return offset
    raise RuntimeError("no free ports for a server")


def _is_free(port: int) -> bool:
    """Returns True where a server could listen on the port; a client's end of a connection occupies it too."""
    return all(_can_bind(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(type=kind) as listener:
        if kind is socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
