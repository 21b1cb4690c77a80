"""Jaeger's protobuf: PostSpansRequest of api_v2, whose spans may each have a process.

The field numbers are those of jaeger-idl's model.proto and collector.proto. Tags and processes are left as bytes, since
most repeat and each distinct one is decoded once. Strings are bytes because some clients send invalid UTF-8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.receivers import otlp_columns
from spanlake.receivers.jaeger import model
from spanlake.receivers.jaeger.model import Reference, SpanTags
from spanlake.receivers.otlp_columns import Owners, SpanColumns, export
from spanlake.receivers.otlp_rows import REMEMBERED, SHORT, Tag, Value
from spanlake.receivers.repair import Parts, ProtobufFormat
from spanlake.receivers.tags import Meanings, TagLists
from spanlake.receivers.translation import Translated
from spanlake.spans import schema
from spanlake.spans.arrow import Array, int32, where
from spanlake.spans.otlp import encoded_columns
from spanlake.spans.otlp.limits import Limits
from spanlake.spans.otlp.protobuf import Decoder, Messages

_SMALLEST = {"spans": 16, "tags": 8, "logs": 8, "references": 8}
"""Minimum average size of messages in bytes."""
_NO_SERVICE = "OTLPResourceNoServiceName"
"""Service name in the Collector for spans without a service."""

MESSAGES: Messages = {
    "PostSpansRequest": ((1, "batch", "Batch"),),
    "Batch": ((1, "spans", "repeated bytes"), (2, "process", "optional bytes")),
    "Process": ((1, "service_name", "bytes"), (2, "tags", "repeated bytes")),
    "Span": (
        (1, "trace_id", "bytes"),
        (2, "span_id", "bytes"),
        (3, "operation_name", "bytes"),
        (4, "references", "repeated bytes"),
        (6, "start_time", "Time"),
        (7, "duration", "Time"),
        (8, "tags", "repeated bytes"),
        (9, "logs", "repeated bytes"),
        (10, "process", "optional bytes"),
    ),
    "Reference": ((1, "trace_id", "bytes"), (2, "span_id", "bytes"), (3, "type", "int32")),
    "Time": ((1, "seconds", "int64"), (2, "nanos", "int32")),
    "Log": ((1, "timestamp", "Time"), (2, "fields", "repeated bytes")),
    "KeyValue": (
        (1, "key", "bytes"),
        (2, "type", "int32"),
        (3, "string", "bytes"),
        (4, "boolean", "bool"),
        (5, "integer", "int64"),
        (6, "double", "double"),
        (7, "binary", "bytes"),
    ),
}


_PARTS: Parts = {
    "Batch": {"spans": "Span", "process": "Process"},
    "Process": {"tags": "KeyValue"},
    "Span": {"references": "Reference", "tags": "KeyValue", "logs": "Log", "process": "Process"},
    "Log": {"fields": "KeyValue"},
}


def post_spans(bodies: Sequence[bytes]) -> list[Translated]:
    """Convert PostSpansRequests to ExportTraceServiceRequests, as ``ProtobufFormat.translated`` does."""
    return _FORMAT.translated(bodies)


@cache
def _decoder() -> Decoder:
    return Decoder("spanlake.jaeger", MESSAGES)


@dataclass(frozen=True, slots=True)
class _Translation:
    """A translation of batches, column by column."""

    limits: Limits

    def of(self, bodies: Sequence[bytes]) -> list[bytes]:
        encoded, process = _decoder().decode("PostSpansRequest", bodies)["batch"].flatten()
        process = process.fill_null(encoded_columns.NOTHING)
        spans = _decoder().decode("Span", self._flat("spans", encoded))
        request = pc.list_parent_indices(encoded)
        trace_id = schema.padded(spans["trace_id"], schema.TRACE_ID)
        start = otlp_columns.times(*_time(spans["start_time"]))
        attributes, told = self._tags(spans["tags"])
        columns = SpanColumns(
            trace_id=trace_id,
            span_id=schema.padded(spans["span_id"], schema.SPAN_ID),
            name=otlp_columns.text(spans["operation_name"]),
            start_ns=start,
            end_ns=otlp_columns.later(start, *_time(spans["duration"])),
            others=[
                attributes,
                pa.array([each.fields for each in told.different], pa.binary()).take(told.code),
                self._references(spans["references"], trace_id),
                self._logs(spans["logs"]),
            ],
        )
        resources = _resources(pc.coalesce(spans["process"], process.take(request)))
        scopes = Owners([each.scope for each in told.different], told.code)
        return export(columns, request, len(bodies), resources, scopes)

    def _flat(self, name: str, lists: Array) -> Array:
        """Return the messages in lists, after checking that there are not too many."""
        messages = lists.flatten()
        self.limits.check(name, len(messages), _SMALLEST[name])
        return messages

    def _tags(self, lists: Array) -> tuple[Array, Meanings[SpanTags]]:
        self._flat("tags", lists)
        nothing = pa.repeat(encoded_columns.NOTHING, len(lists))
        return TagLists.of(lists, _read).split(
            model.SPECIAL, nothing, lambda _, tags: SpanTags.read(tags), model.ATTRIBUTE
        )

    def _logs(self, lists: Array) -> Array:
        """Encode logs as fields of spans."""
        encoded = self._flat("logs", lists)
        if not len(encoded):
            return encoded_columns.NOTHING
        logs = _decoder().decode("Log", encoded)
        times, tags = otlp_columns.times(*_time(logs["timestamp"])).to_pylist(), logs["fields"]
        self._flat("tags", tags)
        events = [
            b"\x5a" + model.log(time, map(_read, each)) for time, each in zip(times, tags.to_pylist(), strict=True)
        ]
        return otlp_columns.gathered(pa.array(events, pa.binary()), pc.list_parent_indices(lists), len(lists))

    def _references(self, lists: Array, trace_id: Array) -> Array:
        """Encode parents and links as fields of spans."""
        encoded = self._flat("references", lists)
        if not len(encoded):
            return encoded_columns.NOTHING
        rows: Array = pc.list_parent_indices(lists)
        read = _decoder().decode("Reference", encoded)
        of, span_id = schema.padded(read["trace_id"], schema.TRACE_ID), schema.padded(read["span_id"], schema.SPAN_ID)
        names_a_span = pc.and_(_have_length(of, schema.TRACE_ID), _have_length(span_id, schema.SPAN_ID))
        is_parent = pc.and_(_name_a_parent(read["type"], of, span_id, trace_id.take(rows)), _are_alone(lists, rows))
        is_parent = pc.and_(is_parent, names_a_span)
        parents = encoded_columns.joined(encoded_columns.constant(b"\x22\x08"), span_id.filter(is_parent))
        others = where(pc.and_not(names_a_span, is_parent))
        references = (values.take(others).to_pylist() for values in (rows, read["type"], of, span_id))
        told = _parents_and_links(trace_id, *references)
        values = pa.concat_arrays([parents, pa.array(told.values(), pa.binary())])
        places = pa.concat_arrays([rows.filter(is_parent), pa.array(told, pa.int64())])
        return otlp_columns.placed(values, places, len(lists))


def _name_a_parent(types: Array, of: Array, span_id: Array, trace_id: Array) -> Array:
    """Return True for references that do nothing but name a parent in the same trace."""
    is_child: Array = pc.and_(pc.equal(types, int32(model.CHILD_OF)), pc.equal(of, trace_id))
    nobody = pa.array([b"", bytes(schema.SPAN_ID)], pa.binary())
    return pc.and_(is_child, pc.invert(pc.is_in(span_id, value_set=nobody)))


def _are_alone(lists: Array, rows: Array) -> Array:
    """Return True for items that are alone in their list."""
    lengths: Array = pc.list_value_length(lists)
    return pc.equal(lengths.take(rows), int32(1))


def _parents_and_links(
    trace_id: Array, rows: Sequence[int], types: Sequence[int], of: Sequence[bytes], span_id: Sequence[bytes]
) -> dict[int, bytes]:
    """Encode references, given by type, trace and span, as parents and links, by the rows of their spans."""
    by_row: dict[int, list[Reference]] = {}
    for row, reference in zip(rows, zip(types, of, span_id, strict=True), strict=True):
        by_row.setdefault(row, []).append(reference)
    return {row: model.parent_and_links(trace_id[row].as_py(), b"", each) for row, each in by_row.items()}


def _resources(processes: Array) -> Owners:
    encoded = processes.dictionary_encode()
    return Owners([_resource(each) for each in encoded.dictionary.to_pylist()], encoded.indices)


def _resource(encoded: bytes) -> bytes:
    process = _decoder().message("Process").FromString(encoded)
    name = process.service_name.decode(errors="replace")
    return b"" if name == _NO_SERVICE else model.process(name, map(_read, process.tags))


def _read(encoded: bytes) -> Tag:
    return _read_short(encoded) if len(encoded) <= SHORT else _tag(encoded)


def _tag(encoded: bytes) -> Tag:
    message = _decoder().message("KeyValue").FromString(encoded)
    return model.tag(message.key.decode(errors="replace"), _value(message))


_read_short = lru_cache(REMEMBERED)(_tag)


def _value(message: Any) -> Value:
    match message.type:
        case 0:
            return str(message.string.decode(errors="replace"))
        case 1:
            return bool(message.boolean)
        case 2:
            return int(message.integer)
        case 3:
            return float(message.double)
        case 4:
            return bytes(message.binary)
        case unknown:
            return f"<Unknown Jaeger TagType {unknown}>"


def _have_length(given: Array, length: int) -> Array:
    return pc.equal(pc.binary_length(given), int32(length))


def _time(times: Array) -> tuple[Array, int, Array]:
    """Return seconds, the number of nanoseconds in a second, and the nanoseconds to add."""
    seconds, nanos = (part.fill_null(0) for part in times.flatten())
    return seconds, 1_000_000_000, nanos


def _translate(bodies: Sequence[bytes]) -> list[bytes]:
    return _Translation(Limits.of(bodies)).of(bodies)


_FORMAT = ProtobufFormat("Jaeger's protobuf", _decoder, "PostSpansRequest", "batch.spans", _PARTS, _translate)
