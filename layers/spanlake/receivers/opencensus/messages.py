"""OpenCensus messages with their field numbers, and the translation of its nodes to resources."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from spanlake.receivers.otlp_rows import Value, attribute, resource
from spanlake.spans.otlp.protobuf import Messages

MESSAGES: Messages = {
    "Head": ((1, "node", "optional bytes"), (3, "resource", "optional bytes")),
    "Request": ((1, "node", "optional bytes"), (2, "spans", "repeated bytes"), (3, "resource", "optional bytes")),
    "Node": (
        (1, "identifier", "Identifier"),
        (2, "library_info", "LibraryInfo"),
        (3, "service_info", "ServiceInfo"),
        (4, "attributes", "repeated Label"),
    ),
    "Identifier": ((1, "host_name", "bytes"), (2, "pid", "uint32"), (3, "start_timestamp", "Time")),
    "LibraryInfo": ((1, "language", "int32"), (2, "exporter_version", "bytes"), (3, "core_library_version", "bytes")),
    "ServiceInfo": ((1, "name", "bytes"),),
    "Resource": ((1, "type", "bytes"), (2, "labels", "repeated Label")),
    "Label": ((1, "key", "bytes"), (2, "value", "bytes")),
    "Span": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (3, "parent_span_id", "bytes"),
        (4, "name", "Truncatable"),
        (5, "start_time", "Time"),
        (6, "end_time", "Time"),
        (7, "attributes", "Attributes"),
        (9, "time_events", "optional bytes"),
        (10, "links", "optional bytes"),
        (11, "status", "optional bytes"),
        (12, "same_process_as_parent_span", "Bool"),
        (14, "kind", "int32"),
        (15, "tracestate", "optional bytes"),
        (16, "resource", "optional bytes"),
    ),
    "Truncatable": ((1, "value", "bytes"),),
    "Time": ((1, "seconds", "int64"), (2, "nanos", "int32")),
    "Bool": ((1, "value", "bool"),),
    "Attributes": ((1, "attribute_map", "repeated bytes"), (2, "dropped", "int32")),
    "Entry": ((1, "key", "bytes"), (2, "value", "AttributeValue")),
    "AttributeValue": (
        (1, "string_value", "oneof Truncatable"),
        (2, "int_value", "oneof int64"),
        (3, "bool_value", "oneof bool"),
        (4, "double_value", "oneof double"),
    ),
    "TimeEvents": (
        (1, "time_event", "repeated TimeEvent"),
        (2, "dropped_annotations", "int32"),
        (3, "dropped_message_events", "int32"),
    ),
    "TimeEvent": (
        (1, "time", "Time"),
        (2, "annotation", "oneof Annotation"),
        (3, "message_event", "oneof MessageEvent"),
    ),
    "Annotation": ((1, "description", "Truncatable"), (2, "attributes", "Attributes")),
    "MessageEvent": (
        (1, "type", "int32"),
        (2, "id", "uint64"),
        (3, "uncompressed_size", "uint64"),
        (4, "compressed_size", "uint64"),
    ),
    "Links": ((1, "link", "repeated Link"), (2, "dropped", "int32")),
    "Link": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (4, "attributes", "Attributes"),
        (5, "tracestate", "Tracestate"),
    ),
    "Tracestate": ((1, "entries", "repeated Label"),),
    "Status": ((1, "code", "int32"), (2, "message", "bytes")),
}

_LANGUAGES = {
    1: "cpp", 2: "dotnet", 3: "erlang", 4: "go", 5: "java", 6: "nodejs", 7: "php", 8: "python", 9: "ruby", 10: "webjs",
}  # fmt: skip
_RENAMED = {"cloud.zone": "cloud.availability_zone"}


def resource_of(node: Any, labels: Any) -> bytes:
    """Encode the resource of a Node and a Resource; empty messages stand for absent ones."""
    return resource([attribute(*item) for item in _attributes(node, labels).items()])


def _attributes(node: Any, labels: Any) -> Mapping[str, Value]:
    """Return the attributes of node and resource; later lines take precedence over earlier ones."""
    attributes: dict[str, Value] = {}
    for label in labels.labels:
        key = _text(label.key)
        attributes[_RENAMED.get(key, key)] = _text(label.value)
    attributes |= {_text(entry.key): _text(entry.value) for entry in node.attributes}
    special: dict[str, Value] = {
        "service.name": _text(node.service_info.name),
        "opencensus.starttime": _start_time(node.identifier),
        "host.name": _text(node.identifier.host_name),
        "process.pid": node.identifier.pid,
        "telemetry.sdk.version": _text(node.library_info.core_library_version),
        "opencensus.exporterversion": _text(node.library_info.exporter_version),
        "telemetry.sdk.language": _LANGUAGES.get(node.library_info.language, ""),
        "opencensus.resourcetype": _text(labels.type),
    }
    return attributes | {key: value for key, value in special.items() if value}


def _start_time(identifier: Any) -> str:
    """Return the start time of a process as RFC 3339, to the nanosecond."""
    if not identifier.HasField("start_timestamp"):
        return ""
    seconds, nanos = divmod(_nanoseconds(identifier.start_timestamp), 1_000_000_000)
    try:
        whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")


def _nanoseconds(time: Any) -> int:
    return int(time.seconds * 1_000_000_000 + time.nanos)
