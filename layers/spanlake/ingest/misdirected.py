"""Answers and log lines for senders with the wrong address: what is stored here, and where to send it."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_log = logging.getLogger("spanlake")

_MINUTE = 60.0  # seconds
_SIGNALS: Mapping[str, str] = {"logs": "OTEL_LOGS_EXPORTER", "metrics": "OTEL_METRICS_EXPORTER", "profiles": ""}
"""Signals of OpenTelemetry that are not stored, and the variable of its SDKs that chooses their exporter."""

TLS_ADVICE = "this port does not speak TLS: use http:// in the client's endpoint, or insecure, or a proxy in front"
HTTP_PATHS = "OTLP is sent to /v1/traces, Zipkin to /api/v2/spans or /api/v1/spans, Jaeger to /api/traces"


def signal_refusal(signal: str) -> str:
    """Return the refusal of a signal that is not stored, such as logs or metrics."""
    variable = _SIGNALS[signal]
    advice = f"set {variable}=none where they are sent" if variable else "switch their export off"
    return f"spanlake stores traces only, no {signal}: {advice}"


def path_refusal(path: str, advice: str = HTTP_PATHS) -> str:
    """Return the refusal of a path that takes no spans, with the advice where they are sent."""
    return f"no spans are taken at {path[:80]!r}: {advice}"


def signal_of_path(path: str) -> str | None:
    """Return the signal, not stored here, that OTLP over HTTP sends to this path; None for any other path."""
    version, _, signal = path.strip("/").partition("/")
    return signal if version in ("v1", "v1development") and signal in _SIGNALS else None


def signal_of_service(service: str) -> str | None:
    """Return the signal, not stored here, that this gRPC service of OTLP or OpenCensus takes.

    None for any other service.
    """
    for signal in _SIGNALS:
        if f".{signal}.v1" in service:
            return signal
    return None


class Notice(StrEnum):
    """Events of senders that will repeat their error."""

    LOGS = "logs refused, only traces are stored"
    METRICS = "metrics refused, only traces are stored"
    PROFILES = "profiles refused, only traces are stored"
    NO_PERMISSION = "request refused, no permission"
    WRONG_PATH = "request refused, wrong path"
    NOT_HTTP = "request refused, not HTTP/1.1"
    NO_SUCH_SERVICE = "call refused, no such service on this port"
    MALFORMED_HEAD = "call refused, head malformed"
    TLS = "connection refused, TLS sent to a port without"
    GRPC = "connection refused, gRPC sent to an HTTP port"
    NOT_GRPC = "connection refused, not gRPC"
    UNKNOWN_COMPRESSION = "call refused, unknown compression"
    MALFORMED_DATAGRAM = "datagram dropped, malformed"

    @classmethod
    def of_signal(cls, signal: str) -> "Notice":
        """Return the event of a signal that is not stored."""
        return cls[signal.upper()]


@dataclass(slots=True)
class MisdirectionLog:
    """Log lines about senders that will repeat their error: each event is logged once a minute for each port."""

    _noted: dict[tuple[int, Notice], float] = field(
        default_factory=dict
    )  # monotonic time of the last line by port and event

    def note(self, port: int, event: Notice, **more: object) -> None:
        """Log an event at a port, unless it was logged within the last minute."""
        now = time.monotonic()
        if now - self._noted.get((port, event), -_MINUTE) < _MINUTE:
            return
        self._noted[port, event] = now
        _log.warning(event, extra={"port": port, **more})
