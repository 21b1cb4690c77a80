"""Attributes without a column: their values as OTLP JSON, in the lists of a rest column."""

import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int32, lists, scatter, string, struct_of, where
from spanlake.spans.otlp import repair
from spanlake.spans.otlp.attributes import Attributes
from spanlake.spans.otlp.limits import Limits
from spanlake.spans.schema import REST

_ODD = r'["\\\x00-\x1f]'
"""Characters that JSON strings must escape."""


TOO_DEEP = "value nested too deep"
"""Replacement text for a value nested deeper than protobuf's decoders allow."""
_TOO_DEEP = f'{{"stringValue":"{TOO_DEEP}"}}'
_NESTED = {"array_value": 2, "kvlist_value": 3}
"""Number of messages from a value to the values in it."""


class TooLarge(ValueError):  # noqa: N818
    """Values of several requests together that are both large and deeply nested."""


@dataclass(frozen=True, slots=True)
class _Room:
    """The nesting that values may still have, in messages and bytes; values are held at every level at once."""

    limits: Limits
    messages: int
    size: int

    @classmethod
    def of(cls, limits: Limits) -> "_Room":
        """Return the room for attribute values.

        They are the 7th of the 100 message levels that protobuf's decoders allow.
        """
        return cls(limits, messages=90, size=limits.nested_bytes)

    def within(self, messages: int, payloads: Array) -> "_Room":
        """Return the room left for values that are ``messages`` levels deeper.

        Of a single request that has no room left, deeper values are replaced. Of several together it is not known which
        has too much: raises TooLarge. Raises limits.TooMuch as well.
        """
        self.limits.check_items(len(payloads))
        room = _Room(self.limits, self.messages - messages, self.size - payloads.nbytes)
        if room.size >= 0:
            return room
        if self.limits.requests > 1:
            raise TooLarge("its values are too large and nested too deep")
        return replace(room, messages=0)


def column(attributes: Attributes, codes: Array, rows: Array, length: int) -> Array:
    """Make a rest column from attributes, given by number, at their rows, which are ascending.

    Raises TooLarge, limits.TooMuch and protobuf.WireError.
    """
    if not len(codes):
        return pa.nulls(length, REST)
    used = codes.dictionary_encode()
    value = texts(attributes, used.dictionary).take(used.indices)
    key = attributes.keys.take(attributes.key.take(codes))
    return lists(pa.StructArray.from_arrays([key, value], fields=list(REST.value_type)), rows, length)


def texts(attributes: Attributes, codes: Array) -> Array:
    """Write the values of attributes, given by number, as OTLP JSON.

    An empty value is ``{}``, a missing one ``null``. Nested values are written together, level by level. Raises
    TooLarge, limits.TooMuch and protobuf.WireError.
    """
    if not len(codes):
        return pa.array([], pa.string())
    return _texts(attributes.any_value.take(codes), _Room.of(attributes.limits))


def texts_of_column(values: Array) -> Array:
    """Write the values of an attribute column, none of them NULL, as OTLP JSON."""
    if isinstance(values.type, pa.ListType):
        return _join('{"arrayValue":', _object(values, texts_of_column(values.flatten())), "}")
    field = _FIELDS[values.type]
    room = _Room(Limits(requests=0, size=0), messages=0, size=0)  # column values do not nest
    return _join(f'{{"{_camel(field)}":', _WRITERS[field](values, room), "}")


def _texts(any_value: Array, room: _Room) -> Array:
    written: Array = pc.if_else(any_value.is_valid(), string("{}"), string("null"))
    for field in _WRITERS:
        values = any_value.field(field)
        rows = where(values.is_valid())
        if len(rows):
            text = _member(field, values.take(rows), room)
            written = pc.coalesce(scatter(text, rows, len(written)), written)
    return written


def _member(field: str, values: Array, room: _Room) -> Array:
    if room.messages < _NESTED.get(field, 0):
        return pa.repeat(string(_TOO_DEEP), len(values))
    return _join(f'{{"{_camel(field)}":', _WRITERS[field](values, room), "}")


def _camel(field: str) -> str:
    head, *tail = field.split("_")
    return head + "".join(map(str.title, tail))


def _join(*parts: Array | str) -> Array:
    join: Callable[..., Array] = pc.binary_join_element_wise
    return join(*(string(part) if isinstance(part, str) else part for part in parts), string(""))


def _strings(values: Array, _: _Room) -> Array:
    plain = _join('"', values, '"')
    rows = where(pc.match_substring_regex(values, _ODD))
    if not len(rows):
        return plain
    odd = pa.array([json.dumps(value, ensure_ascii=False) for value in values.take(rows).to_pylist()], pa.string())
    return pc.coalesce(scatter(odd, rows, len(values)), plain)


def _bools(values: Array, _: _Room) -> Array:
    return pc.if_else(values, string("true"), string("false"))


def _integers(values: Array, _: _Room) -> Array:
    return _join('"', values.cast(pa.string()), '"')


def _numbers(values: Array, _: _Room) -> Array:
    return values.cast(pa.string())


def _doubles(values: Array, _: _Room) -> Array:
    return pa.array([_double(value) for value in values.to_pylist()], pa.string())


def _double(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _bytes(values: Array, _: _Room) -> Array:
    return pa.array([f'"{base64.b64encode(value).decode()}"' for value in values.to_pylist()], pa.string())


def _arrays(values: Array, room: _Room) -> Array:
    arrays = repair.decode("ArrayValue", values, room.limits)["values"]
    payloads = arrays.flatten()
    room = room.within(_NESTED["array_value"], payloads)
    return _object(arrays, _texts(struct_of(repair.decode("AnyValue", payloads, room.limits)), room))


def _maps(values: Array, room: _Room) -> Array:
    maps = repair.decode("KeyValueList", values, room.limits)["values"]
    payloads = maps.flatten()
    room = room.within(_NESTED["kvlist_value"], payloads)
    entries = repair.decode("KeyValue", payloads, room.limits)
    member = _join(',"value":', _texts(entries["value"], room))
    member = pc.if_else(entries["value"].is_valid(), member, string(""))
    return _object(maps, _join('{"key":', _strings(entries["key"], room), member, "}"))


def _object(parents: Array, items: Array) -> Array:
    """Write the messages ArrayValue and KeyValueList, whose only field is ``values``."""
    joined = pc.binary_join(pa.ListArray.from_arrays(parents.offsets, items), ",")
    is_empty = pc.equal(pc.list_value_length(parents), int32(0))
    return pc.if_else(is_empty, string("{}"), _join('{"values":[', joined, "]}"))


_WRITERS: dict[str, Callable[[Array, _Room], Array]] = {
    "string_value": _strings,
    "bool_value": _bools,
    "int_value": _integers,
    "double_value": _doubles,
    "array_value": _arrays,
    "kvlist_value": _maps,
    "bytes_value": _bytes,
    "string_value_strindex": _numbers,
}
_FIELDS: dict[pa.DataType, str] = {
    pa.string(): "string_value",
    pa.bool_(): "bool_value",
    pa.int64(): "int_value",
    pa.float64(): "double_value",
}
