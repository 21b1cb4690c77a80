"""Jaeger's Thrift: a batch, as collectors take it over HTTP, or the call that an agent is sent in a datagram.

Fields and which of them are required: jaeger.thrift and agent.thrift of jaeger-idl.
"""

from functools import lru_cache, partial
from struct import Struct
from typing import Any

from spanlake.receivers import jaeger, thrift
from spanlake.receivers.errors import MalformedSpans
from spanlake.receivers.export import REMEMBERED, SHORT, Export, Span, Tag
from spanlake.receivers.jaeger import Reference
from spanlake.receivers.thrift import BinaryReader, CompactReader, Reader

_FORMAT = "Jaeger's Thrift"
_CALL = "emitBatch"
_TRACE_ID = Struct(">qq").pack
_SPAN_ID = Struct(">q").pack


def http_batch(body: bytes) -> bytes:
    """Turn a Batch in the binary protocol into an ExportTraceServiceRequest. Raises MalformedSpans."""
    return thrift.whole(BinaryReader(body, _FORMAT), _Batch().read)  # type: ignore[no-any-return]


def binary_call(datagram: bytes) -> bytes:
    """Turn the agent's call emitBatch, in the binary protocol, into the same. Raises MalformedSpans."""
    return thrift.whole(BinaryReader(datagram, _FORMAT), _call)  # type: ignore[no-any-return]


def compact_call(datagram: bytes) -> bytes:
    """Turn the agent's call emitBatch, in the compact protocol, into the same. Raises MalformedSpans."""
    return thrift.whole(CompactReader(datagram, _FORMAT), _call)  # type: ignore[no-any-return]


def _call(reader: Reader) -> bytes:
    name = reader.message()
    if name != _CALL:
        raise MalformedSpans(_FORMAT, f"it calls {name[:40]!r} instead of {_CALL}")
    fields = {1: (thrift.STRUCT, _Batch().read)}
    return thrift.struct(reader, fields, frozenset({1}))[1]  # type: ignore[no-any-return]


class _Batch:
    """Reads one batch; equal tags in it are read once."""

    def __init__(self) -> None:
        self._tags: dict[bytes, Tag] = {}

    def read(self, reader: Reader) -> bytes:
        fields = {1: (thrift.STRUCT, self._process), 2: (thrift.LIST, self._spans)}
        batch = thrift.struct(reader, fields, frozenset({1, 2}))
        export = Export()
        for span in batch[2]:
            export.add(batch[1], b"", span)
        return export.to_bytes()

    def _process(self, reader: Reader) -> bytes:
        fields = {1: (thrift.STRING, Reader.text), 2: (thrift.LIST, self._tag_list)}
        process = thrift.struct(reader, fields, frozenset({1}))
        return jaeger.process(process[1], process.get(2, ()))

    def _spans(self, reader: Reader) -> list[bytes]:
        fields: thrift.Fields = {
            **_SPAN_FIELDS,
            6: (thrift.LIST, _references),
            10: (thrift.LIST, self._tag_list),
            11: (thrift.LIST, partial(thrift.items, type_=thrift.STRUCT, read=self._log)),
        }
        return thrift.items(reader, thrift.STRUCT, partial(self._span, fields=fields))

    def _span(self, reader: Reader, fields: thrift.Fields) -> bytes:
        found = thrift.struct(reader, fields, _SPAN_REQUIRED)
        start = found[8]
        span = Span(
            _TRACE_ID(found[2], found[1]),
            _SPAN_ID(found[3]),
            _SPAN_ID(found[4]) if found[4] else b"",
            found[5],
            0,
            start * 1000,
            (start + found[9]) * 1000,
            (),
            found.get(11, ()),
        )
        return jaeger.complete(span, dict(found.get(10, ())), found.get(6, ()))

    def _log(self, reader: Reader) -> bytes:
        fields = {1: (thrift.I64, thrift.i64), 2: (thrift.LIST, self._tag_list)}
        log = thrift.struct(reader, fields, frozenset({1, 2}))
        return jaeger.log(log[1] * 1000, log[2])

    def _tag_list(self, reader: Reader) -> list[Tag]:
        type_, count = reader.list_head()
        if count and type_ != thrift.STRUCT:
            reader.refuse("tags are no structs")
        if isinstance(reader, BinaryReader):
            return [self._binary_tag(reader) for _ in range(count)]
        return [self._compact_tag(reader) for _ in range(count)]

    def _compact_tag(self, reader: Reader) -> Tag:
        """Read a tag whose value is a short string, by its bytes if it was read before; or any other."""
        data, at = reader.data, reader.at
        key_end = at + 2 + data[at + 1]
        if data[at] != _COMPACT_HEAD or data[at + 1] > 127 or data[key_end : key_end + 3] != _COMPACT_TEXT:
            return _tag(reader)
        end = key_end + 5 + data[key_end + 3]
        if data[key_end + 3] > 127 or data[end - 1 : end] != b"\x00":
            return _tag(reader)
        encoded = data[at:end]
        found = self._tags.get(encoded)
        if found is None:
            key, value = data[at + 2 : key_end], data[key_end + 4 : end - 1]
            found = self._tags[encoded] = jaeger.tag(key.decode(errors="replace"), value.decode(errors="replace"))
        reader.at = end
        return found

    def _binary_tag(self, reader: BinaryReader) -> Tag:
        """Read a tag that is laid out as writers lay it out, by its bytes if it was read before; or any other."""
        data, at = reader.data, reader.at
        key_end = at + 7 + data[at + 6]
        size = _SIZES.get(data[key_end : key_end + 10])
        if size is None or data[at : at + 6] != _TAG_HEAD:
            return _tag(reader)
        end = key_end + 11 + (size or 4 + int.from_bytes(data[key_end + 10 : key_end + 14]))
        encoded = data[at:end]
        found = self._tags.get(encoded)
        if found is None:
            if data[end - 1 : end] != b"\x00":
                return _tag(reader)
            found = self._tags[encoded] = (_short_tag if end - at <= SHORT else _plain_tag)(
                data[at + 7 : key_end], data[key_end + 6], data[key_end + 10 : end - 1]
            )
        reader.at = end
        return found


_COMPACT_HEAD, _COMPACT_TEXT = 0x18, b"\x15\x00\x18"
"""The head of a tag's key in the compact protocol, and what stands between key and value when that is a string."""
_TAG_HEAD = b"\x0b\x00\x01\x00\x00\x00"
"""The head of a tag's first field, its key, and of the length of one that is shorter than 256 bytes."""
_SIZES = {
    b"\x08\x00\x02\x00\x00\x00\x00\x0b\x00\x03": 0,
    b"\x08\x00\x02\x00\x00\x00\x01\x04\x00\x04": 8,
    b"\x08\x00\x02\x00\x00\x00\x02\x02\x00\x05": 1,
    b"\x08\x00\x02\x00\x00\x00\x03\x0a\x00\x06": 8,
    b"\x08\x00\x02\x00\x00\x00\x04\x0b\x00\x07": 0,
}
"""A tag's type and the head of its value's field, and the value's size; 0 where the size stands before the value."""

_DOUBLE, _LONG = Struct(">d"), Struct(">q")


def _plain_tag(key: bytes, type_: int, value: bytes) -> Tag:
    """A tag whose value is this, a string behind its length."""
    name = key.decode(errors="replace")
    match type_:
        case 0:
            return jaeger.tag(name, value[4:].decode(errors="replace"))
        case 1:
            return jaeger.tag(name, _DOUBLE.unpack(value)[0])
        case 2:
            return jaeger.tag(name, value != b"\x00")
        case 3:
            return jaeger.tag(name, _LONG.unpack(value)[0])
        case _:
            return jaeger.tag(name, value[4:])


_short_tag = lru_cache(REMEMBERED)(_plain_tag)


_TAG_FIELDS: thrift.Fields = {
    1: (thrift.STRING, Reader.text),
    2: (thrift.I32, thrift.i32),
    3: (thrift.STRING, Reader.text),
    4: (thrift.DOUBLE, thrift.double),
    5: (thrift.BOOL, thrift.boolean),
    6: (thrift.I64, thrift.i64),
    7: (thrift.STRING, Reader.binary),
}
_TAG_VALUES: dict[int, tuple[int, Any]] = {0: (3, ""), 1: (4, 0.0), 2: (5, False), 3: (6, 0), 4: (7, b"")}
"""By a tag's type, the field of its value, and what it is when it is not there."""


def _tag(reader: Reader) -> Tag:
    found = thrift.struct(reader, _TAG_FIELDS, frozenset({1, 2}))
    if found[2] not in _TAG_VALUES:
        return jaeger.tag(found[1], f"<Unknown Jaeger TagType {found[2]}>")
    field, default = _TAG_VALUES[found[2]]
    return jaeger.tag(found[1], found.get(field, default))


_SPAN_FIELDS: thrift.Fields = {
    1: (thrift.I64, thrift.i64),
    2: (thrift.I64, thrift.i64),
    3: (thrift.I64, thrift.i64),
    4: (thrift.I64, thrift.i64),
    5: (thrift.STRING, Reader.text),
    7: (thrift.I32, thrift.i32),
    8: (thrift.I64, thrift.i64),
    9: (thrift.I64, thrift.i64),
}
_SPAN_REQUIRED = frozenset(_SPAN_FIELDS)


_REFERENCE_FIELDS: thrift.Fields = {
    1: (thrift.I32, thrift.i32),
    2: (thrift.I64, thrift.i64),
    3: (thrift.I64, thrift.i64),
    4: (thrift.I64, thrift.i64),
}


def _references(reader: Reader) -> list[Reference]:
    return thrift.items(reader, thrift.STRUCT, _reference)


def _reference(reader: Reader) -> Reference:
    found = thrift.struct(reader, _REFERENCE_FIELDS, frozenset(_REFERENCE_FIELDS))
    return found[1], _TRACE_ID(found[3], found[2]), _SPAN_ID(found[4])
