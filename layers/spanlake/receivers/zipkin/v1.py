"""Translation of Zipkin's v1 spans to OTLP, in any encoding, as the OpenTelemetry Collector translates them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spanlake.receivers.otlp_rows import Export, Span, Value, attribute, clamped, event, resource, status
from spanlake.receivers.translation import MOST_EVENTS
from spanlake.spans.otlp.limits import MOST_ATTRIBUTES

_KINDS = {"cs": 3, "cr": 3, "ss": 2, "sr": 2, "ms": 4, "mr": 5}
"""Core annotations, and the span kinds that have them."""
_UNKNOWN = "unknown-service"
_LOCAL_COMPONENT = "lc"
_OK, _ERROR = 1, 2
_INTEGER = re.compile(r"[+-]?\d{1,11}", re.ASCII)
_INT32 = range(-(1 << 31), 1 << 31)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint that made an annotation."""

    service_name: str = ""
    ipv4: str = ""
    ipv6: str = ""
    port: int = 0


NOWHERE = Endpoint()


@dataclass(frozen=True, slots=True)
class Annotation:
    """An event of a span."""

    time_us: int
    """Time; 0 when unknown: the annotation then gives kind and endpoint, but is not an event."""
    value: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class BinaryAnnotation:
    """A key and value of a span."""

    key: str
    value: Value
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class ZipkinV1Span:
    """A span of Zipkin's v1 model."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    timestamp_us: int | None
    duration_us: int
    annotations: Sequence[Annotation]
    binary_annotations: Sequence[BinaryAnnotation]


def export(spans: Iterable[ZipkinV1Span], *, now_ns: int | None) -> bytes:
    """Convert spans to an ExportTraceServiceRequest; spans without a time get ``now_ns``, or 0."""
    request = Export()
    for span in spans:
        core = [each for each in span.annotations if each.value in _KINDS]
        resource = _resource(_endpoint(core, span.binary_annotations))
        request.add(resource, b"", _span(span, core, now_ns).encode())
    return request.to_bytes()


def _span(span: ZipkinV1Span, core: Sequence[Annotation], now_ns: int | None) -> Span:
    """Convert a span, given its annotations that tell its kind."""
    attributes, in_status = _attributes(span.binary_annotations[:MOST_ATTRIBUTES])
    start, end = _times(span)
    if start == 0 and now_ns is not None:
        start = end = now_ns
        attributes["otel.zipkin.absentField.startTime"] = True
    left_out = max(len(span.binary_annotations) - MOST_ATTRIBUTES, 0), max(len(span.annotations) - MOST_EVENTS, 0), 0
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_id if any(span.parent_id) else b"",
        span.name,
        _KINDS[core[0].value] if core else 0,
        start,
        end,
        [attribute(key, value) for key, value in attributes.items()],
        _events(span.annotations[:MOST_EVENTS]),
        status=in_status,
        dropped=left_out,
    )


def _events(annotations: Iterable[Annotation]) -> list[bytes]:
    """Encode the annotations that have a time and do not tell the span's kind."""
    return [
        event(_nanoseconds(each.time_us), each.value)
        for each in annotations
        if each.value and each.time_us > 0 and each.value not in _KINDS
    ]


def _nanoseconds(time_us: int) -> int:
    return clamped(time_us * 1000)


def _times(span: ZipkinV1Span) -> tuple[int, int]:
    """Return start and end; annotations give them where the span does not."""
    if span.timestamp_us is not None:
        start = max(span.timestamp_us, 0)
        return _nanoseconds(start), _nanoseconds(start + max(span.duration_us, 0))
    times = [each.time_us for each in span.annotations if each.value and each.time_us > 0]
    return (_nanoseconds(min(times)), _nanoseconds(max(times))) if times else (0, 0)


def _endpoint(core: Iterable[Annotation], binary: Sequence[BinaryAnnotation]) -> Endpoint:
    """Return the endpoint of the span: from the first core annotation, otherwise the name from a binary annotation."""
    for annotation in core:
        if annotation.endpoint.service_name:
            return annotation.endpoint
    named = [each.endpoint.service_name for each in binary if each.endpoint and each.endpoint.service_name]
    components = [each.value for each in binary if each.key == _LOCAL_COMPONENT and isinstance(each.value, str)]
    return Endpoint(next(reversed(named or components), "") or _UNKNOWN)


def _resource(endpoint: Endpoint) -> bytes:
    attributes = {
        "service.name": endpoint.service_name,
        "ipv4": endpoint.ipv4,
        "ipv6": endpoint.ipv6,
        "port": str(endpoint.port) if endpoint.port else "",
    }
    return resource([attribute(key, value) for key, value in attributes.items() if value])


def _attributes(annotations: Iterable[BinaryAnnotation]) -> tuple[dict[str, Value], bytes]:
    """Encode attributes, of which the last with a key counts, and the status that follows from annotations."""
    attributes: dict[str, Value] = {}
    teller = _StatusTeller()
    for annotation in annotations:
        key = "component" if annotation.key == _LOCAL_COMPONENT else annotation.key
        if not teller.hears(key, annotation.value):
            attributes[key] = annotation.value
    return attributes, teller.status()


class _StatusTeller:
    """A status collected from annotations that express it in several ways, of which the most reliable counts."""

    def __init__(self) -> None:
        self._census: int | None = None
        self._otel: int | None = None
        self._http: int | None = None
        self._is_error = False
        self._messages: dict[str, str] = {}

    def hears(self, key: str, value: Value) -> bool:
        """Take in an annotation; returns True if it is about the status and nothing else."""
        match key:
            case "census.status_code":
                self._census = _census_status(_code(value), self._census)
            case "otel.status_code":
                self._otel = _otel_status(_code(value), self._otel)
            case "census.status_description" | "opencensus.status_description":
                self._messages["census"] = _text(value)
            case "otel.status_description":
                self._messages["otel"] = _text(value)
            case "error":
                self._is_error = True
            case "http.status_code":
                self._http = _http_status(_code(value), self._http)
                return False
            case "http.status_message":
                self._messages["http"] = _text(value)
                return False
            case _:
                return False
        return True

    def status(self) -> bytes:
        """Encode the Status as a span's field."""
        said = self._messages.get
        if self._census is not None:
            return status(self._census, said("census", ""))
        if self._otel is not None:
            return status(self._otel, said("otel", ""))
        if self._is_error:
            return status(_ERROR, said("census") or said("otel", ""))
        if self._http is not None:
            return status(self._http, said("http", ""))
        return b""


def _census_status(code: int | None, otherwise: int | None) -> int | None:
    """Convert a status code of Census, which has many errors, and 0 for success."""
    return otherwise if code is None else _ERROR if code else _OK


def _otel_status(code: int | None, otherwise: int | None) -> int | None:
    return otherwise if code is None else code


def _http_status(code: int | None, otherwise: int | None) -> int | None:
    return otherwise if code is None else 0 if 100 <= code < 400 else _ERROR


def _code(value: Value) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _INT32 else None


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
