"""A `spanlake serve` of its own for each measurement, and what it used."""

import os
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

PORTS = (3100, 3200, 4317, 4318, 6831, 6832, 9411, 14250, 14268, 55678)
_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0
_PEAK = "5"
"""What proc_pid_clear_refs(5) calls the peak of the resident size."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a server and its children have used since they started."""

    cpu_seconds: float
    """User and system time."""
    peak_memory: int
    """Highest resident size in bytes since the start, or since it was last forgotten, added up over the processes."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    offset: int

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

    def usage(self) -> Usage:
        """What it has used so far."""
        processes = list(_family(self.pid))
        return Usage(sum(map(_cpu_seconds, processes)), sum(map(_peak_memory, processes)))

    def forget_peak_memory(self) -> None:
        """Begins anew to look for the peak of its memory, at what it uses now."""
        for process in _family(self.pid):
            Path(f"/proc/{process}/clear_refs").write_text(_PEAK)


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Server]:
    """A server on this data directory, ready; stopped gracefully at the end.

    Raises RuntimeError with the end of its log when it does not become ready, or when what is done with it fails.
    """
    offset = _free_offset()
    log = data.with_suffix(".log")
    program = Path(sys.executable).with_name("spanlake")
    command = [str(program), "serve", "--data", str(data), "--port-offset", str(offset), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, offset)
        yield Server(process.pid, offset)
    except Exception as error:
        raise RuntimeError(f"{error}; the server's last words:\n{log.read_text()[-2000:]}") from error
    finally:
        process.terminate()
        process.wait(_STOPPED_WITHIN)


def _wait_until_ready(process: "subprocess.Popen[bytes]", offset: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"spanlake serve ended with exit status {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{3200 + offset}/ready", timeout=5).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"spanlake serve was not ready after {_READY_WITHIN:.0f} s")


def _free_offset() -> int:
    """An offset at which all ports of a server are free."""
    for offset in range(2_000, 10_000, 100):
        if all(_is_free(port + offset) for port in PORTS):
            return offset
    raise RuntimeError("no free ports for a server")


def _is_free(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _cpu_seconds(pid: int) -> float:
    """Of a process and the children it has waited for: fields 14 to 17 of proc_pid_stat(5)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / _TICKS


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
