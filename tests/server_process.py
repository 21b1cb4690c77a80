"""A real `spanlake serve` for tests, and what tests say to it."""

import fcntl
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SPANLAKE = (str(Path(sys.executable).with_name("spanlake")),)

PATIENCE = "SPANLAKE_TESTS_PATIENCE"
"""The variable that says how patient tests are: seconds for anything that must happen, on a machine without other work.

Runs of hours set it high: nothing ends them at a time limit, as pytest does with a test that hangs.
"""
_PATIENCE = 60.0  # unless it is set
_PORTS = (3100, 3200, 4317, 4318, 5778, 6831, 6832, 8080, 8081, 9411, 14250, 14268, 55678)
_APART = 36  # ports that are moved by two multiples of it never meet: no two of them leave the same rest


def _offsets() -> Iterator[int]:
    """Yields the port offsets of this test process, others having theirs; no port moves to where clients get theirs."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    every = range(149 * _APART, 9857, _APART)
    own = every[int(worker.removeprefix("gw")) :: int(workers)]
    first = os.getpid() % len(own)  # runs that were started apart rarely try the same port at the same moment
    return itertools.cycle([*own[first:], *own[:first]])


_OFFSETS = _offsets()
_RESERVED: deque[IO[bytes]] = deque(maxlen=2)  # the last of this process, locked; those before have their ports


@dataclass(frozen=True)
class Answer:
    """A response over HTTP."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> object:
        """The body, read as JSON."""
        return json.loads(self.body)


class SpanlakeServer:
    """Server process on a data directory; use `start_server` or `server` of conftest to have one."""

    command = "serve"
    http = 3200  # where it answers probes

    def __init__(
        self,
        data: Path,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = SPANLAKE,
    ) -> None:
        self.data = data
        self.offset = free_offset()
        self.log_path = data.with_name(f"{data.name}-{self.offset}.log")
        self._process = spawn(
            [self.command, "--data", str(data), "--port-offset", str(self.offset), *arguments],
            self.log_path,
            environment,
            program,
        )

    @property
    def tempo(self) -> str:
        """Base URL of the Tempo API."""
        return f"http://127.0.0.1:{3200 + self.offset}"

    @property
    def otlp_http(self) -> str:
        """Base URL of OTLP over HTTP."""
        return f"http://127.0.0.1:{4318 + self.offset}"

    @property
    def otlp_grpc(self) -> str:
        """Authority of OTLP over gRPC."""
        return f"127.0.0.1:{4317 + self.offset}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait_until_ready(self) -> "SpanlakeServer":
        """Itself, once it says so; raises RuntimeError with its log when it does not."""
        for _ in patiently():
            if self._process.poll() is not None:
                break
            try:
                if self.get("/ready").status == 200 and self._has_begun():
                    return self
            except OSError:
                continue
        self.kill()
        raise RuntimeError(f"spanlake {self.command} is not ready, exit status {self._process.poll()}:\n{self.log()}")

    def _has_begun(self) -> bool:
        """True once its own log says that it is ready: until it has its ports, it may be another that answers there."""
        return '"event": "ready"' in self.log()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask the port of the Tempo API, or what else answers probes."""
        return ask(self.http + self.offset, "GET", path, headers=headers)

    def post_traces(
        self, body: bytes, content_type: str = "application/x-protobuf", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a body to the port of OTLP over HTTP."""
        return ask(
            4318 + self.offset,
            "POST",
            "/v1/traces",
            body=body,
            headers={"Content-Type": content_type, **(headers or {})},
        )

    def bytes_in_flight(self) -> int:
        """Returns the bytes of requests that are not answered yet, by the server's metrics."""
        return int(self.metric("spanlake_ingest_in_flight_bytes"))

    def metric(self, series: str) -> float:
        """The value of a time series, 0 when there is none."""
        lines = (line.rpartition(" ") for line in self.get("/metrics").body.decode().splitlines())
        return next((float(value) for name, _, value in lines if name == series), 0)

    def peak_memory(self) -> int:
        """The most it has had resident, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Return when it has happened; raises TimeoutError with the log when it does not."""
        if not any(happened() for _ in patiently()):
            raise TimeoutError(self.log())

    def log(self) -> str:
        """Returns the server's log."""
        return self.log_path.read_text()

    def events(self) -> list[dict[str, object]]:
        """Its log, line by line."""
        return [json.loads(line) for line in self.log().splitlines()]

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def exit_status(self) -> int:
        """Wait for its end."""
        return self._process.wait(patience())

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop and wait for the exit status."""
        self.ask_to_stop()
        return self.exit_status()

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._process.kill()
        self.exit_status()


class HalfSent:
    """A request to store spans over HTTP whose second half is held back."""

    def __init__(self, server: SpanlakeServer, body: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", 4318 + server.offset, timeout=patience())
        self._connection.putrequest("POST", "/v1/traces")
        self._connection.putheader("Content-Type", "application/x-protobuf")
        self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body[: len(body) // 2])
        self._rest = body[len(body) // 2 :]

    def finish(self) -> Answer:
        """Send the rest and read the answer."""
        self._connection.send(self._rest)
        try:
            return _answer(self._connection.getresponse())
        finally:
            self._connection.close()


@dataclass(frozen=True)
class Finished:
    """A server process that has ended by itself."""

    status: int
    output: str = field(repr=False)


def run_until_exit(
    *arguments: str, log: Path, environment: Mapping[str, str] | None = None, command: str = "serve"
) -> Finished:
    """Run `spanlake serve`, or another command, with arguments that it should refuse."""
    process = spawn([command, *arguments], log, environment)
    try:
        return Finished(process.wait(patience()), " ".join(log.read_text().replace("│", " ").split()))
    finally:
        process.kill()


def spawn(
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = SPANLAKE,
) -> "subprocess.Popen[bytes]":
    """Start `spanlake` with a command, its output going to a file."""
    command = [*program, *arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )


def ask(
    port: int, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request to this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience())
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        return _answer(connection.getresponse())
    finally:
        connection.close()


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def patience() -> float:
    """Seconds for anything that must happen: a busy machine takes as many times longer as it has more to do."""
    return float(os.environ.get(PATIENCE, _PATIENCE)) * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def patiently() -> Iterator[None]:
    """Turns of a loop that waits for something; the last one comes when patience ends."""
    start = time.monotonic()
    while time.monotonic() < start + patience():
        yield
        time.sleep(0.02)


def free_offset() -> int:
    """A port offset at which nobody listens on any port of a server, and no other test will."""
    return next(
        offset for offset in _OFFSETS if all(_is_free(port + offset) for port in _PORTS) and _is_reserved(offset)
    )


def _is_reserved(offset: int) -> bool:
    """True where no other process of tests has taken the offset a moment ago, for a server that has no ports yet."""
    file = (Path(tempfile.gettempdir()) / f"spanlake-tests-{os.getuid()}-ports-{offset}").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    if len(_RESERVED) == _RESERVED.maxlen:
        _RESERVED[0].close()
    _RESERVED.append(file)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended hold no port
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
