"""Traces in Jaeger's JSON, as its UI downloads them and its API answers ``/api/traces``.

The fields are those of ``model/json`` in Jaeger: times are microseconds, ids hexadecimal, binary values base64.
"""

import base64
import binascii
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any

from spanlake.receivers import jaeger, json_body
from spanlake.receivers.errors import MalformedSpans
from spanlake.receivers.export import Export, Tag, Value, clamped, delimited
from spanlake.receivers.jaeger import Reference, SpanTags
from spanlake.receivers.translated import Translated
from spanlake.spans.ids import SPAN_ID, TRACE_ID

_FORMAT = "Jaeger's JSON"
_TIMES = Struct("<cQcQ").pack
_REFERENCE_TYPES = {"CHILD_OF": jaeger.CHILD_OF, "FOLLOWS_FROM": jaeger.FOLLOWS_FROM}
_FEW_VALUES, _SMALLEST_VALUE = 1024, 4
"""Values that any document may have, and bytes that each value has on average at the least."""


def read(body: bytes) -> Translated:
    """Turn ``{"data": [trace, …]}``, or a trace, into an ExportTraceServiceRequest.

    Spans that cannot be read are left out and counted. Raises MalformedSpans for what is no such document.
    """
    export, rejected = Export(), Counter[str]()
    for trace in _traces(_parsed(body)):
        processes = _Processes(_member(trace, "processes", dict))
        for span in _member(trace, "spans", list):
            try:
                export.add(*_translated(span, processes))
            except (ValueError, TypeError, AttributeError):
                rejected["malformed"] += 1
    return Translated(export.to_bytes(), rejected)


def _parsed(body: bytes) -> Any:
    if body.count(b",") + body.count(b"[") > _FEW_VALUES + len(body) // _SMALLEST_VALUE:
        raise MalformedSpans(_FORMAT, "most of its values are empty")
    from pydantic_core import from_json  # only who takes JSON needs it

    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return _parsed_leniently(body)


def _parsed_leniently(body: bytes) -> Any:
    """Parse what holds half of a surrogate pair: only the span that has it is no text then."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedSpans(_FORMAT, f"it is not JSON: {error}") from error


def _traces(document: Any) -> Iterator[Mapping[str, Any]]:
    traces = document.get("data", [document]) if isinstance(document, dict) else document
    if not isinstance(traces, list) or not all(isinstance(trace, dict) for trace in traces):
        raise MalformedSpans(_FORMAT, "it has no list of traces under data")
    return iter(traces)


def _member(trace: Mapping[str, Any], name: str, kind: type) -> Any:
    found = trace.get(name)
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise MalformedSpans(_FORMAT, f"a trace's {name} are no {'list' if kind is list else 'object'}")
    return found


class _Processes:
    """The processes of a trace, each encoded once."""

    def __init__(self, by_id: Mapping[str, Any]) -> None:
        self._by_id = by_id
        self._encoded: dict[str, bytes] = {}

    def of(self, span: Mapping[str, Any]) -> bytes:
        """The resource of a span, which may hold its process."""
        if span.get("process"):
            return _resource(span["process"])
        name = json_body.text(span.get("processID"))
        if name not in self._encoded:
            self._encoded[name] = _resource(self._by_id.get(name) or {})
        return self._encoded[name]


def _resource(process: Mapping[str, Any]) -> bytes:
    return jaeger.process(json_body.text(process.get("serviceName")), _tags(process.get("tags")))


def _translated(span: Mapping[str, Any], processes: _Processes) -> tuple[bytes, bytes, bytes]:
    """Resource, scope and span, encoded; raises ValueError, TypeError or AttributeError."""
    trace_id, span_id = json_body.id_(span.get("traceID"), TRACE_ID), json_body.id_(span.get("spanID"), SPAN_ID)
    start = clamped(json_body.integer(span.get("startTime")) * 1000)
    end = clamped(start + json_body.integer(span.get("duration")) * 1000)
    told = SpanTags.read(dict(_tags(span.get("tags"))))
    encoded = b"".join(
        (
            b"\x0a" + delimited(trace_id) + b"\x12" + delimited(span_id),
            b"\x2a" + delimited(json_body.text(span.get("operationName")).encode()),
            _TIMES(b"\x39", start, b"\x41", end),
            jaeger.parent_and_links(trace_id, _parent(span), list(_references(span))),
            told.fields,
            *(b"\x5a" + _event(log) for log in span.get("logs") or ()),
        )
    )
    return processes.of(span), told.scope, encoded


def _parent(span: Mapping[str, Any]) -> bytes:
    """The parent, of a document that is so old that no reference names it."""
    parent = json_body.id_(span.get("parentSpanID"), SPAN_ID)
    return b"" if parent == bytes(SPAN_ID) else parent


def _references(span: Mapping[str, Any]) -> Iterator[Reference]:
    for reference in span.get("references") or ():
        kind = _REFERENCE_TYPES.get(reference.get("refType"), jaeger.FOLLOWS_FROM)
        yield kind, json_body.id_(reference.get("traceID"), TRACE_ID), json_body.id_(reference.get("spanID"), SPAN_ID)


def _event(log: Mapping[str, Any]) -> bytes:
    return jaeger.log(json_body.integer(log.get("timestamp")) * 1000, _tags(log.get("fields")))


def _tags(found: Any) -> Iterator[Tag]:
    for each in found or ():
        yield jaeger.tag(json_body.text(each.get("key")), _value(each.get("type"), each.get("value")))


def _value(kind: object, value: Any) -> Value:
    """A value of the type that the tag names; one that cannot be of it is text."""
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
