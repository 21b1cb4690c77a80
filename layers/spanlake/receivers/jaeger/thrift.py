"""Jaeger's Thrift: a batch, as collectors receive it over HTTP, or the call that an agent receives in a datagram.

jaeger.thrift and agent.thrift of jaeger-idl define the fields and which are required.
"""

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Any

from spanlake.receivers import thrift
from spanlake.receivers.jaeger import model, thrift_rows
from spanlake.receivers.jaeger.model import Reference
from spanlake.receivers.jaeger.thrift_rows import Rows, Tags, tag_list
from spanlake.receivers.otlp_rows import Tag
from spanlake.receivers.thrift import BinaryReader, CompactReader, Reader
from spanlake.receivers.translation import MalformedSpans, Translated

_FORMAT = "Jaeger's Thrift"
_CALL = "emitBatch"
_TRACE_ID = Struct(">qq").pack
_SPAN_ID = Struct(">q").pack

Outcome = Translated | MalformedSpans
"""An ExportTraceServiceRequest without the spans that lack a required field, or the error of a malformed request."""


def http_batches(bodies: Sequence[bytes]) -> list[Outcome]:
    """Convert Batches in the binary protocol to ExportTraceServiceRequests."""
    return _translated(bodies, BinaryReader, _Batch.read)


def binary_calls(datagrams: Sequence[bytes]) -> list[Outcome]:
    """Convert the agent's calls emitBatch, in the binary protocol, to ExportTraceServiceRequests."""
    return _translated(datagrams, BinaryReader, _Batch.read_call)


def compact_calls(datagrams: Sequence[bytes]) -> list[Outcome]:
    """Convert the agent's calls emitBatch, in the compact protocol, to ExportTraceServiceRequests."""
    return _translated(datagrams, CompactReader, _Batch.read_call)


def _translated(
    bodies: Sequence[bytes], protocol: Callable[[bytes, str], Reader], read: Callable[["_Batch", Reader], None]
) -> list[Outcome]:
    tags = Tags()
    found = [_rows(protocol(body, _FORMAT), tags, read) for body in bodies]
    written = iter(thrift_rows.write([each for each in found if isinstance(each, Rows)], tags.different))
    return [next(written) if isinstance(each, Rows) else each for each in found]


def _rows(reader: Reader, tags: Tags, read: Callable[["_Batch", Reader], None]) -> Rows | MalformedSpans:
    batch = _Batch(tags)
    try:
        thrift.whole(reader, partial(read, batch))
    except MalformedSpans as error:
        return error
    return batch.rows


class _Batch:
    """A reader of one batch; known tags are not decoded again."""

    def __init__(self, tags: Tags) -> None:
        self.rows = Rows()
        self._tags = tags
        self._tag_list = partial(tag_list, tags=tags)

    def read_call(self, reader: Reader) -> None:
        """Read a call."""
        name = reader.message()
        if name != _CALL:
            raise MalformedSpans(_FORMAT, f"it calls {name[:40]!r} instead of {_CALL}")
        found = reader.struct({1: (thrift.STRUCT, self.read)})
        thrift.require(reader, found, frozenset({1}))

    def read(self, reader: Reader) -> None:
        """Read a batch."""
        fields = {1: (thrift.STRUCT, self._process), 2: (thrift.LIST, self._spans)}
        found = reader.struct(fields)
        thrift.require(reader, found, frozenset({1, 2}))
        self.rows.resource = found[1]

    def _process(self, reader: Reader) -> bytes:
        fields: thrift.Fields = {1: thrift.TEXT, 2: (thrift.LIST, self._tag_list)}
        process = reader.struct(fields)
        return model.process(process.get(1, ""), self._named(process.get(2, ())))

    def _named(self, numbers: Sequence[int]) -> list[Tag]:
        return [self._tags.different[number] for number in numbers]

    def _spans(self, reader: Reader) -> None:
        fields: thrift.Fields = {
            **_SPAN_FIELDS,
            6: (thrift.LIST, _references),
            10: (thrift.LIST, self._tag_list),
            11: (thrift.LIST, partial(thrift.items, type_=thrift.STRUCT, read=self._log)),
        }
        thrift.required_items(reader, thrift.STRUCT, partial(self._span, fields=fields))

    def _span(self, reader: Reader, fields: thrift.Fields) -> None:
        found = _laid_out(reader) if isinstance(reader, BinaryReader) else {}
        found |= reader.struct(fields)
        if not found.keys() >= _SPAN_REQUIRED:
            self.rows.unreadable += 1
            return
        rows, trace_id, parent_id = self.rows, _TRACE_ID(found[2], found[1]), found[4] and _SPAN_ID(found[4])
        rows.trace_ids.append(trace_id)
        rows.span_ids.append(_SPAN_ID(found[3]))
        rows.names.append(found[5])
        rows.starts_us.append(found[8])
        rows.durations_us.append(found[9])
        rows.tags.append(found.get(10, ()))
        others = model.parent_and_links(trace_id, parent_id or b"", found.get(6, ()))
        rows.others.append(others + b"".join(found[11]) if 11 in found else others)

    def _log(self, reader: Reader) -> bytes:
        """Read a log as an event, encoded as a field of a span; empty when it has no time."""
        fields: thrift.Fields = {1: thrift.LONG, 2: (thrift.LIST, self._tag_list)}
        log = reader.struct(fields)
        return b"\x5a" + model.log(log[1] * 1000, self._named(log.get(2, ()))) if 1 in log else b""


_HEAD, _TAIL = Struct(">3sq3sq3sq3sq3s"), Struct(">3si3sq3sq")
_HEAD_MARKS = (b"\x0a\x00\x01", b"\x0a\x00\x02", b"\x0a\x00\x03", b"\x0a\x00\x04", b"\x0b\x00\x05")
_TAIL_MARKS = (b"\x08\x00\x07", b"\x0a\x00\x08", b"\x0a\x00\x09")


def _laid_out(reader: BinaryReader) -> dict[int, Any]:
    """Read a span's first fields as far as they have the usual layout."""
    data, at = reader.data, reader.at
    if len(data) < at + _HEAD.size:
        return {}
    first, low, second, high, third, span_id, fourth, parent_id, fifth = _HEAD.unpack_from(data, at)
    if (first, second, third, fourth, fifth) != _HEAD_MARKS:
        return {}
    reader.at = at + _HEAD.size
    found = {1: low, 2: high, 3: span_id, 4: parent_id, 5: reader.binary()}
    if len(data) < reader.at + _TAIL.size:
        return found
    seventh, flags, eighth, start, ninth, duration = _TAIL.unpack_from(data, reader.at)
    if (seventh, eighth, ninth) == _TAIL_MARKS:
        reader.at += _TAIL.size
        found |= {7: flags, 8: start, 9: duration}
    return found


_SPAN_FIELDS: thrift.Fields = {**dict.fromkeys((1, 2, 3, 4, 8, 9), thrift.LONG), 5: thrift.BYTES, 7: thrift.INT}
_SPAN_REQUIRED = frozenset(_SPAN_FIELDS)


_REFERENCE_FIELDS: thrift.Fields = {1: thrift.INT, **dict.fromkeys((2, 3, 4), thrift.LONG)}


_REFERENCE_REQUIRED = frozenset(_REFERENCE_FIELDS)


def _references(reader: Reader) -> list[Reference]:
    found = thrift.items(reader, thrift.STRUCT, _reference)
    return [reference for reference in found if reference is not None] if None in found else found


def _reference(reader: Reader) -> Reference | None:
    """Read a reference; None when it lacks a required field."""
    found = reader.struct(_REFERENCE_FIELDS)
    if not found.keys() >= _REFERENCE_REQUIRED:
        return None
    return found[1], _TRACE_ID(found[3], found[2]), _SPAN_ID(found[4])
