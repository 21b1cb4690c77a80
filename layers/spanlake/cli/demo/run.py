"""Runs the demo: fills a server of its own, or one that is there, with traces of the shop."""

import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer

from spanlake.cli.client.client import Client
from spanlake.cli.demo.document import document_spans
from spanlake.cli.demo.incident import Incident
from spanlake.cli.demo.questions import questions
from spanlake.cli.demo.traces import Shop
from spanlake.cli.errors import CommandError, Refused, Unreachable
from spanlake.settings.model import Config

_SECOND_NS, _HOUR_NS = 10**9, 3600 * 10**9
_DAY_NS = 24 * _HOUR_NS
_NOON_NS = 12 * _HOUR_NS
_PAST_TRACES = 8000
_TRICKLE_SECONDS = 4.0
_TRICKLE_TRACES = 1
_ATTEMPTS = 5
_REQUEST_SECONDS = 30.0
_API_PORT, _OTLP_PORT = 3200, 4318
_LONGEST_START_SECONDS = 120
_PROTOBUF = {"Content-Type": "application/x-protobuf"}
_INCIDENT_AGO_NS = 6 * _HOUR_NS
_INCIDENT_NS = 150 * 60 * _SECOND_NS
_OVERLOADED = (429, 503)


@dataclass(frozen=True)
class Demo:
    """Traces to send: the spans of the document, or a day of the shop until now."""

    seed: int
    now_ns: int
    is_document: bool = False

    @property
    def incident(self) -> Incident:
        """The incident, some hours ago."""
        start = self.now_ns - _INCIDENT_AGO_NS
        return Incident(start, start + _INCIDENT_NS)

    @property
    def noon_ns(self) -> int:
        """The last noon of UTC that is a minute ago."""
        return (self.now_ns - _NOON_NS - 60 * _SECOND_NS) // _DAY_NS * _DAY_NS + _NOON_NS

    def past(self) -> Iterator[bytes]:
        """Requests of OTLP with what lies before now."""
        if self.is_document:
            yield document_spans(self.noon_ns)
        else:
            yield from Shop(self.seed, self.incident).between(self.now_ns - _DAY_NS, self.now_ns, _PAST_TRACES)

    def told(self, url: str) -> str:
        """Text that says what to try on a server at this address."""
        if self.is_document:
            start, end = self.noon_ns // 10**6, (self.noon_ns + 60 * _SECOND_NS) // 10**6
            return f"The spans of docs/traceql.md are at {url}/#/search?start={start}&end={end}"
        lines = [f"The shop is open at {url}/. Three questions to try:", ""]
        for number, question in enumerate(questions(url, self.incident), 1):
            lines += [f"  {number}. {question.text}", f"     {question.link}", ""]
        return "\n".join(lines)


def now_ns() -> int:
    """Return the time of the last whole minute."""
    return time.time_ns() // (60 * _SECOND_NS) * (60 * _SECOND_NS)


def otlp_url(url: str) -> str:
    """Return the address of OTLP over HTTP of the server whose Tempo API is at an address.

    A port is as far from the usual one as that of the Tempo API; without a port both are at one address.
    """
    parts = urlsplit(url)
    if parts.port is None:
        return url
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port - _API_PORT + _OTLP_PORT}"


def fill(client: Client, demo: Demo, page: str) -> None:
    """Send everything to a server that is there, and tell what to try on its page; raises CommandError."""
    for body in demo.past():
        _send(client, body)
    typer.echo(demo.told(page))


def serve(demo: Demo, port_offset: int, *, is_opened: bool) -> None:
    """Serves the traces from a directory of its own until asked to stop; raises InvalidSetting and StoreError."""
    from spanlake.server.run import run

    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="spanlake-demo-", ignore_cleanup_errors=True) as folder:
        url = f"http://127.0.0.1:{_API_PORT + port_offset}"
        sender = threading.Thread(
            target=_keep_open, args=(url, demo, stop), kwargs={"is_opened": is_opened}, daemon=True
        )
        sender.start()
        try:
            run(Config(Path(folder), port_offset=port_offset))
        finally:
            stop.set()
            sender.join(5)


def _keep_open(url: str, demo: Demo, stop: threading.Event, *, is_opened: bool) -> None:
    """Fills the server once it is ready, then sends a trace now and then."""
    if not _is_ready(Client(url, {}, _REQUEST_SECONDS), stop):
        return
    client = Client(otlp_url(url), {}, _REQUEST_SECONDS)
    try:
        fill(client, demo, url)
        if is_opened:
            webbrowser.open(f"{url}/")
        if not demo.is_document:
            _trickle(client, demo, stop)
    except CommandError as error:
        if not stop.is_set():
            typer.echo(f"spanlake: {error}", err=True)


def _is_ready(client: Client, stop: threading.Event) -> bool:
    deadline = time.monotonic() + _LONGEST_START_SECONDS
    while time.monotonic() < deadline and not stop.wait(0.1):
        try:
            client.get("/ready")
        except CommandError:
            continue
        return True
    return False


def _trickle(client: Client, demo: Demo, stop: threading.Event) -> None:
    shop = Shop(demo.seed + 1, demo.incident)
    last = demo.now_ns
    while not stop.wait(_TRICKLE_SECONDS):
        now = time.time_ns()
        for body in shop.between(max(last, now - 5 * _SECOND_NS), now, _TRICKLE_TRACES):
            _send(client, body)
        last = now


def _send(client: Client, body: bytes) -> None:
    """Send a request, again where the server has too much to do; raises CommandError."""
    for attempt in range(_ATTEMPTS):
        try:
            client.post("/v1/traces", body, _PROTOBUF)
        except (Refused, Unreachable) as error:
            is_busy = isinstance(error, Refused) and error.status in _OVERLOADED
            if not is_busy or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(2**attempt / 4)
        else:
            return
