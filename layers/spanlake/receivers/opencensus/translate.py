"""OpenCensus: the agent's ExportTraceServiceRequest, translated as the OpenTelemetry Collector does.

Entries of attribute maps are left as bytes, since most repeat and each distinct one is decoded once. Strings are bytes
because they may be invalid UTF-8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from spanlake.receivers import otlp_columns
from spanlake.receivers.opencensus import elements
from spanlake.receivers.opencensus.elements import decoder
from spanlake.receivers.opencensus.messages import resource_of
from spanlake.receivers.otlp_columns import Owners, SpanColumns, export
from spanlake.receivers.otlp_rows import Attribute, attribute, status
from spanlake.receivers.repair import Parts, ProtobufFormat
from spanlake.receivers.tags import TagLists
from spanlake.receivers.translation import Translated
from spanlake.spans import schema
from spanlake.spans.arrow import Array
from spanlake.spans.otlp.encoded_columns import NOTHING, constant, four_bytes, joined, mapped, one_byte, varint
from spanlake.spans.otlp.limits import Limits

_SMALLEST = {"spans": 16, "attributes": 8}
"""Minimum average size of messages in bytes."""
_SERVER, _CLIENT = 1, 2
_KINDS = {_SERVER: 2, _CLIENT: 3}
_KINDS_OF_TAGS = {"internal": 1, "producer": 4, "consumer": 5}
_ERROR = 2
_INT32 = range(-(1 << 31), 1 << 31)
_SAME_PROCESS = "opencensus.same_process_as_parent_span"
_SPECIAL = frozenset({"span.kind", "otel.status_code", _SAME_PROCESS})
_ATTRIBUTE = b"\x4a"


class Stream:
    """The state of a stream of requests: node and resource hold until a later request replaces them."""

    def __init__(self) -> None:
        self._node = b""
        self._resource = b""

    def complete(self, body: bytes) -> bytes:
        """Return the request with the stream's node and resource added, as if it were alone. Raises MalformedSpans."""
        head_type = decoder().message("Head")
        try:
            head = head_type.FromString(body)
        except DecodeError as error:
            raise _FORMAT.malformed(error) from error
        missing = b""
        if head.HasField("node"):
            self._node = head.node
        else:
            missing += head_type(node=self._node).SerializeToString() if self._node else b""
        if head.HasField("resource"):
            self._resource = head.resource
        else:
            missing += head_type(resource=self._resource).SerializeToString() if self._resource else b""
        return missing + body


_PARTS: Parts = {
    "Request": {"node": "Node", "spans": "Span", "resource": "Resource"},
    "Span": {
        "time_events": "TimeEvents",
        "links": "Links",
        "status": "Status",
        "tracestate": "Tracestate",
        "resource": "Resource",
    },
    "Attributes": {"attribute_map": "Entry"},
}


def export_requests(bodies: Sequence[bytes]) -> list[Translated]:
    """Convert OpenCensus' ExportTraceServiceRequests to OTLP's, as ``ProtobufFormat.translated`` does."""
    return _FORMAT.translated(bodies)


@dataclass(frozen=True, slots=True)
class _Translation:
    """A translation of requests, column by column."""

    limits: Limits

    def of(self, bodies: Sequence[bytes]) -> list[bytes]:
        requests = decoder().decode("Request", bodies)
        spans = decoder().decode("Span", self._flat("spans", requests["spans"]))
        request: Array = pc.list_parent_indices(requests["spans"])
        attributes, dropped = spans["attributes"].flatten()
        plain, told = self._attributes(attributes, _context(spans))
        columns = SpanColumns(
            trace_id=_padded(spans["trace_id"], schema.TRACE_ID),
            span_id=_padded(spans["span_id"], schema.SPAN_ID),
            name=otlp_columns.text(_member(spans["name"], b"")),
            start_ns=otlp_columns.times(*_time(spans["start_time"])),
            end_ns=otlp_columns.times(*_time(spans["end_time"])),
            others=[
                plain,
                told,
                _parents(spans["parent_span_id"]),
                mapped(dropped.fill_null(0), lambda number: elements.count(b"\x50", number)),
                mapped(spans["time_events"], elements.events),
                mapped(spans["links"], elements.links),
                mapped(spans["tracestate"], elements.trace_state),
            ],
        )
        scopes = Owners([b""], pa.repeat(pa.scalar(0, pa.int32()), len(request)))
        return export(columns, request, len(bodies), _resources(requests, spans["resource"], request), scopes)

    def _flat(self, name: str, lists: Array) -> Array:
        """Return the messages in lists, after checking that there are not too many."""
        messages = lists.flatten()
        self.limits.check(name, len(messages), _SMALLEST[name])
        return messages

    def _attributes(self, lists: Array, context: Array) -> tuple[Array, Array]:
        """Encode as fields: plain attributes, and the result of all others together with the context."""
        lists = pc.coalesce(lists, pa.scalar([], lists.type))
        self._flat("attributes", lists)
        tags = TagLists.of(lists, elements.entry)
        plain, meanings = tags.split(_SPECIAL, context, _told, _ATTRIBUTE)
        return plain, pa.array(meanings.different, pa.binary()).take(meanings.code)


def _resources(requests: dict[str, Array], own: Array, request: Array) -> Owners:
    """Return the resources of spans: a span's own takes precedence over the request's; both include the node."""
    node = requests["node"].fill_null(NOTHING).dictionary_encode()
    encoded = pc.coalesce(own, requests["resource"].fill_null(NOTHING).take(request))
    known = joined(four_bytes(node.indices.take(request)), encoded).dictionary_encode()
    nodes = [decoder().message("Node").FromString(each) for each in node.dictionary.to_pylist()]
    labels = decoder().message("Resource")
    resources = [
        resource_of(nodes[int.from_bytes(each[:4], "little")], labels.FromString(each[4:]))
        for each in known.dictionary.to_pylist()
    ]
    return Owners(resources, known.indices)


def _context(spans: dict[str, Array]) -> Array:
    """Encode the rest of the input for kind, status and attributes: kind, same_process_as_parent_span, and status."""
    is_same = _member(spans["same_process_as_parent_span"], None).cast(pa.int8()).fill_null(_UNKNOWN)
    status_ = joined(constant(b"\x01"), spans["status"]).fill_null(NOTHING)
    return joined(four_bytes(spans["kind"]), one_byte(is_same), status_)


_UNKNOWN = 2  # beside 0 and 1


def _told(context: bytes, tags: dict[str, Attribute]) -> bytes:
    kind, is_same, encoded_status = int.from_bytes(context[:4], "little", signed=True), context[4], context[5:]
    number = _KINDS.get(kind, 0) or _kind_of(tags)
    encoded = b"\x30" + varint(number)
    if encoded_status:
        encoded += _status(*elements.status(encoded_status[1:]), tags)
    if is_same != _UNKNOWN:
        tags[_SAME_PROCESS] = bool(is_same), attribute(_SAME_PROCESS, bool(is_same))
    return encoded + b"".join(_ATTRIBUTE + attribute_ for _, attribute_ in tags.values())


def _kind_of(tags: dict[str, Attribute]) -> int:
    """Return a kind that OpenCensus lacks, from the attribute that names it, which is then removed."""
    value = tags.get("span.kind", ("", b""))[0]
    kind = _KINDS_OF_TAGS.get(value, 0) if isinstance(value, str) else 0
    if kind:
        del tags["span.kind"]
    return kind


def _status(code: int, message: str, tags: dict[str, Attribute]) -> bytes:
    """Encode the status of a gRPC code: all but 0 are errors. An attribute takes precedence."""
    code = _ERROR if code else 0
    if "otel.status_code" in tags:
        value = tags.pop("otel.status_code")[0]
        code = value if isinstance(value, int) and not isinstance(value, bool) and value in _INT32 else 0
    return status(code, message)


def _parents(given: Array) -> Array:
    """Encode the ids of parents as fields."""
    span_id = _padded(given, schema.SPAN_ID)
    is_none = pc.equal(span_id, NOTHING)
    return pc.if_else(is_none, NOTHING, joined(constant(b"\x22\x08"), span_id))


def _padded(given: Array, length: int) -> Array:
    """Pad ids with zeros on the left; bytes beyond the length are cut off."""
    return schema.padded(pc.binary_slice(given, 0, length), length)


def _member(structs: Array, default: Any) -> Array:
    """Return the only member of messages, and a default for missing messages."""
    (values,) = structs.flatten()
    return values if default is None else values.fill_null(default)


def _time(times: Array) -> tuple[Array, int, Array]:
    """Return seconds, the number of nanoseconds in a second, and the nanoseconds to add."""
    seconds, nanos = (part.fill_null(0) for part in times.flatten())
    return seconds, 1_000_000_000, nanos


def _translate(bodies: Sequence[bytes]) -> list[bytes]:
    return _Translation(Limits.of(bodies)).of(bodies)


_FORMAT = ProtobufFormat("OpenCensus", decoder, "Request", "spans", _PARTS, _translate)
