"""Tags and rows of a Jaeger Thrift batch, written as columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, chain
from struct import Struct
from typing import Any

import pyarrow as pa

from spanlake.receivers import otlp_columns, thrift
from spanlake.receivers.jaeger import model
from spanlake.receivers.otlp_columns import Owners, SpanColumns, export
from spanlake.receivers.otlp_rows import REMEMBERED, SHORT, Attribute, Tag, Value
from spanlake.receivers.tags import TagLists
from spanlake.receivers.thrift import BinaryReader, Reader
from spanlake.receivers.translation import Translated
from spanlake.spans.arrow import Array
from spanlake.spans.otlp import encoded_columns


class Tags:
    """The distinct tags of a sequence of batches, each with a number."""

    def __init__(self) -> None:
        self.different: list[Tag] = []
        self.numbers: dict[bytes, int] = {}
        """Numbers of known tags by their encoding."""

    def add(self, encoded: bytes, tag: Tag) -> int:
        """Add a tag that was not known."""
        number = self.numbers[encoded] = self.add_unknown(tag)
        return number

    def add_unknown(self, tag: Tag) -> int:
        """Add a tag that is not to be recognized again."""
        self.different.append(tag)
        return len(self.different) - 1


@dataclass(slots=True)
class Rows:
    """The spans of one batch; each list has a value for each span."""

    resource: bytes = b""
    """Encoded resource of all spans."""
    trace_ids: list[bytes] = field(default_factory=list)
    span_ids: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    """Names as sent, possibly not UTF-8."""
    starts_us: list[int] = field(default_factory=list)
    durations_us: list[int] = field(default_factory=list)
    tags: list[Sequence[int]] = field(default_factory=list)
    """Numbers of the tags."""
    others: list[bytes] = field(default_factory=list)
    """Parents, links and events, as fields of OTLP's Span."""
    unreadable: int = 0
    """Number of spans that are not in the lists."""


def write(batches: Sequence[Rows], tags: Sequence[Tag]) -> list[Translated]:
    """Encode an ExportTraceServiceRequest for each batch."""
    listed = _lists(chain.from_iterable(batch.tags for batch in batches))
    context = pa.repeat(encoded_columns.NOTHING, len(listed))
    plain, told = TagLists.coded(tags, listed).split(model.WITH_A_MEANING, context, _told, model.ATTRIBUTE)
    start = otlp_columns.times(_microseconds(batch.starts_us for batch in batches), 1000)
    durations = _microseconds(batch.durations_us for batch in batches)
    columns = SpanColumns(
        trace_id=_binary(batch.trace_ids for batch in batches),
        span_id=_binary(batch.span_ids for batch in batches),
        name=otlp_columns.text(_binary(batch.names for batch in batches)),
        start_ns=start,
        end_ns=otlp_columns.later(start, durations, 1000),
        others=[
            plain,
            pa.array(told.different, pa.binary()).take(told.code),
            _binary(batch.others for batch in batches),
        ],
    )
    counts = [len(batch.names) for batch in batches]
    request = pa.array(chain.from_iterable([number] * count for number, count in enumerate(counts)), pa.int64())
    resources = Owners([batch.resource for batch in batches], request.cast(pa.int32()))
    scopes = Owners([b""], pa.repeat(pa.scalar(0, pa.int32()), len(request)))
    bodies = export(columns, request, len(batches), resources, scopes)
    return [Translated.without(batch.unreadable, body) for batch, body in zip(batches, bodies, strict=True)]


def _told(_: bytes, tags: dict[str, Attribute]) -> bytes:
    return model.told_by(tags)


def _lists(tags: Iterable[Sequence[int]]) -> Array:
    lists = list(tags)
    offsets = pa.array(accumulate(map(len, lists), initial=0), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(chain.from_iterable(lists), pa.int32()))


def _binary(values: Iterable[Iterable[bytes]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.binary())


def _microseconds(values: Iterable[Iterable[int]]) -> Array:
    return pa.array(chain.from_iterable(values), pa.int64())


_NONE = -1
"""Number, below all others, of a tag without key or type, which is left out."""


def tag_list(reader: Reader, tags: Tags) -> list[int]:
    """Read a list of tags; returns their numbers."""
    type_, count = reader.list_head()
    if type_ != thrift.STRUCT:
        for _ in range(count):
            reader.skip(type_)
        return []
    if isinstance(reader, BinaryReader):
        return _binary_tags(reader, tags, count)
    found = [_compact_tag(reader, tags) for _ in range(count)]
    return [number for number in found if number >= 0] if _NONE in found else found


def _compact_tag(reader: Reader, tags: Tags) -> int:
    """Read a tag: by its bytes if its value is a short string and it was read before, otherwise field by field."""
    data, at = reader.data, reader.at
    key_end = at + 2 + data[at + 1]
    if data[at] != _COMPACT_HEAD or data[at + 1] > 127 or data[key_end : key_end + 3] != _COMPACT_TEXT:
        return _other_tag(reader, tags)
    end = key_end + 5 + data[key_end + 3]
    if data[key_end + 3] > 127 or data[end - 1 : end] != b"\x00":
        return _other_tag(reader, tags)
    encoded = data[at:end]
    found = tags.numbers.get(encoded)
    if found is None:
        key, value = data[at + 2 : key_end], data[key_end + 4 : end - 1]
        found = tags.add(encoded, model.tag(key.decode(errors="replace"), value.decode(errors="replace")))
    reader.at = end
    return found


def _binary_tags(reader: BinaryReader, tags: Tags, count: int) -> list[int]:
    """Read tags: by their bytes if they have the usual layout and were read before, otherwise field by field."""
    data, at, known, found = reader.data, reader.at, tags.numbers.get, []
    for _ in range(count):
        try:
            key_end = at + 7 + data[at + 6]
        except IndexError:  # fewer bytes are left than a tag of the usual layout takes
            key_end = len(data)
        size = _SIZES.get(data[key_end : key_end + 10], -1)
        end = key_end + 11 + (size or 4 + int.from_bytes(data[key_end + 10 : key_end + 14]))
        encoded = data[at:end]
        number = known(encoded)
        if number is None:
            reader.at = at
            number = _new_binary_tag(reader, tags, key_end, end if size >= 0 else -1)
            end = reader.at
        if number >= 0:
            found.append(number)
        at = end
    reader.at = at
    return found


def _new_binary_tag(reader: BinaryReader, tags: Tags, key_end: int, end: int) -> int:
    """Read a tag that is not known; it ends at ``end`` if it has the usual layout."""
    data, at = reader.data, reader.at
    if end < 0 or data[at : at + 6] != _TAG_HEAD or data[end - 1 : end] != b"\x00":
        return _other_tag(reader, tags)
    read = _short_tag if end - at <= SHORT else _plain_tag
    tag = read(data[at + 7 : key_end], data[key_end + 6], data[key_end + 10 : end - 1])
    reader.at = end
    return tags.add(data[at:end], tag)


_COMPACT_HEAD, _COMPACT_TEXT = 0x18, b"\x15\x00\x18"
"""Head of a tag's key in the compact protocol, and the bytes between key and value when the value is a string."""
_TAG_HEAD = b"\x0b\x00\x01\x00\x00\x00"
"""Head of a tag's first field, its key, and of a key length below 256 bytes."""
_SIZES = {
    b"\x08\x00\x02\x00\x00\x00\x00\x0b\x00\x03": 0,
    b"\x08\x00\x02\x00\x00\x00\x01\x04\x00\x04": 8,
    b"\x08\x00\x02\x00\x00\x00\x02\x02\x00\x05": 1,
    b"\x08\x00\x02\x00\x00\x00\x03\x0a\x00\x06": 8,
    b"\x08\x00\x02\x00\x00\x00\x04\x0b\x00\x07": 0,
}
"""Tag type and head of the value's field, and the value's size; 0 where the size precedes the value."""

_DOUBLE, _LONG = Struct(">d"), Struct(">q")


def _plain_tag(key: bytes, type_: int, value: bytes) -> Tag:
    """Make a tag with this value; a string is behind its length."""
    name = key.decode(errors="replace")
    match type_:
        case 0:
            return model.tag(name, value[4:].decode(errors="replace"))
        case 1:
            return model.tag(name, _DOUBLE.unpack(value)[0])
        case 2:
            return model.tag(name, value != b"\x00")
        case 3:
            return model.tag(name, _LONG.unpack(value)[0])
        case _:
            return model.tag(name, value[4:])


_short_tag = lru_cache(REMEMBERED)(_plain_tag)


_TAG_FIELDS: thrift.Fields = {
    1: thrift.TEXT,
    2: thrift.INT,
    3: thrift.TEXT,
    4: thrift.FLOAT,
    5: thrift.TRUTH,
    6: thrift.LONG,
    7: thrift.BYTES,
}
_TAG_VALUES: dict[int, tuple[int, Any]] = {0: (3, ""), 1: (4, 0.0), 2: (5, False), 3: (6, 0), 4: (7, b"")}
"""Field of the value for each tag type, and the default of a missing value."""


def _other_tag(reader: Reader, tags: Tags) -> int:
    """Read a tag of any layout."""
    found = reader.struct(_TAG_FIELDS)
    if 1 not in found or 2 not in found:
        return _NONE
    return tags.add_unknown(model.tag(found[1], _value(found)))


def _value(found: Mapping[int, Any]) -> Value:
    if found[2] not in _TAG_VALUES:
        return f"<Unknown Jaeger TagType {found[2]}>"
    field, default = _TAG_VALUES[found[2]]
    value: Value = found.get(field, default)
    return value
