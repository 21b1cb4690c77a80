"""Traces in Jaeger's JSON, as its UI downloads them and as its API returns them at ``/api/traces``.

The fields are those of ``model/json`` in Jaeger: times are microseconds, ids hexadecimal, binary values base64.
"""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any

from spanlake.receivers import json_parser
from spanlake.receivers.jaeger import model
from spanlake.receivers.jaeger.model import Reference, SpanTags
from spanlake.receivers.otlp_rows import Export, Tag, Value, clamped, delimited
from spanlake.receivers.translation import MalformedSpans, Translated
from spanlake.receivers.zipkin import json_body
from spanlake.spans.schema import SPAN_ID, TRACE_ID

_FORMAT = "Jaeger's JSON"
_TIMES = Struct("<cQcQ").pack
_REFERENCE_TYPES = {"CHILD_OF": model.CHILD_OF, "FOLLOWS_FROM": model.FOLLOWS_FROM}


def read(body: bytes) -> Translated:
    """Convert ``{"data": [trace, …]}``, or a trace, to an ExportTraceServiceRequest.

    Spans that are not objects are left out, and spans whose start or duration is not a number; so are malformed parts
    of other spans. Raises MalformedSpans for any other document.
    """
    export, unreadable = Export(), 0
    for trace in _traces(body):
        processes = _Processes(json_body.members(trace.get("processes")))
        spans = trace.get("spans") or []
        for span in spans if isinstance(spans, list) else [spans]:
            try:
                export.add(*_translated(span, processes))
            except ValueError:
                unreadable += 1
    return Translated.without(unreadable, export.to_bytes())


def _traces(body: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        document = json_parser.parse(body)
    except ValueError as error:
        raise MalformedSpans(_FORMAT, str(error)) from error
    traces = document.get("data", [document]) if isinstance(document, dict) else document
    if not isinstance(traces, list) or not all(isinstance(trace, dict) for trace in traces):
        raise MalformedSpans(_FORMAT, "it has no list of traces under data")
    return iter(traces)


class _Processes:
    """The processes of a trace, each encoded once."""

    def __init__(self, by_id: Mapping[str, Any]) -> None:
        self._by_id = by_id
        self._encoded: dict[str, bytes] = {}

    def of(self, span: Mapping[str, Any]) -> bytes:
        """Return the resource of a span, which may contain its process."""
        if span.get("process"):
            return _resource(span["process"])
        name = json_body.text(span.get("processID"))
        if name not in self._encoded:
            self._encoded[name] = _resource(self._by_id.get(name))
        return self._encoded[name]


def _resource(found: object) -> bytes:
    process = json_body.members(found)
    return model.process(json_body.text(process.get("serviceName")), _tags(process.get("tags")))


def _translated(span: Any, processes: _Processes) -> tuple[bytes, bytes, bytes]:
    """Encode resource, scope and span; raises ValueError for a span that cannot be read."""
    if not isinstance(span, dict):
        raise ValueError("a span is not an object")
    trace_id, span_id = json_body.id_(span.get("traceID"), TRACE_ID), json_body.id_(span.get("spanID"), SPAN_ID)
    start = clamped(json_body.integer(span.get("startTime")) * 1000)
    end = clamped(start + json_body.integer(span.get("duration")) * 1000)
    told = SpanTags.read(dict(_tags(span.get("tags"))))
    encoded = b"".join(
        (
            b"\x0a" + delimited(trace_id) + b"\x12" + delimited(span_id),
            b"\x2a" + delimited(json_body.text(span.get("operationName")).encode()),
            _TIMES(b"\x39", start, b"\x41", end),
            model.parent_and_links(trace_id, _parent(span), list(_references(span))),
            told.fields,
            *(b"\x5a" + event for event in _events(span.get("logs"))),
        )
    )
    return processes.of(span), told.scope, encoded


def _parent(span: Mapping[str, Any]) -> bytes:
    """Return the parent in an old document, which has no reference to it."""
    parent = json_body.id_(span.get("parentSpanID"), SPAN_ID)
    return b"" if parent == bytes(SPAN_ID) else parent


def _references(span: Mapping[str, Any]) -> Iterator[Reference]:
    for reference in json_body.objects(span.get("references")):
        kind = _REFERENCE_TYPES.get(json_body.text(reference.get("refType")), model.FOLLOWS_FROM)
        yield kind, json_body.id_(reference.get("traceID"), TRACE_ID), json_body.id_(reference.get("spanID"), SPAN_ID)


def _events(logs: object) -> Iterator[bytes]:
    """Yield logs as events; a log without a time is left out."""
    for log in json_body.objects(logs):
        try:
            time = json_body.integer(log.get("timestamp"))
        except ValueError:
            continue
        yield model.log(time * 1000, _tags(log.get("fields")))


def _tags(found: object) -> Iterator[Tag]:
    for each in json_body.objects(found):
        yield model.tag(json_body.text(each.get("key")), _value(each.get("type"), each.get("value")))


def _value(kind: object, value: Any) -> Value:
    """Convert a value to the type that its tag names; a value that does not fit becomes text."""
    try:
        match kind:
            case "bool":
                return _bool(value)
            case "int64":
                return _int64(value)
            case "float64":
                return _float64(value)
            case "binary":
                return base64.b64decode(value, validate=True)
    except (ValueError, TypeError, binascii.Error):
        pass
    return json_body.text(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}[value] if value in ("true", "false") else _refuse(value)


def _int64(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        _refuse(value)
    return int(value)


def _float64(value: Any) -> float:
    if isinstance(value, bool):
        _refuse(value)
    number = float(value)
    return number if math.isfinite(number) or isinstance(value, str) else _refuse(value)


def _refuse(value: object) -> Any:
    raise ValueError(f"{value!r} is not of the type that its tag names")
