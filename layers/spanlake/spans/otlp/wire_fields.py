"""Fields of encoded protobuf messages, for messages that a decoder refuses."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

VARINT, FIXED64, DELIMITED, GROUP, GROUP_END, FIXED32 = range(6)
"""Wire types."""
_MOST_NUMBER = (1 << 29) - 1
_MOST_VARINT = 10  # bytes
_FIXED = {FIXED64: 8, FIXED32: 4}


class Broken(ValueError):  # noqa: N818
    """Bytes that are not protobuf fields."""


class WireField(NamedTuple):
    """A field: number, wire type, and the positions where the field starts, its value starts and both end."""

    number: int
    wire_type: int
    start: int
    value: int
    end: int


def fields(payload: bytes, count: Callable[[], None]) -> Iterator[WireField]:
    """Read the fields in order; raises Broken at the first that is invalid or cut off.

    ``count`` is called for each field, including those within groups.
    """
    at = 0
    while at < len(payload):
        count()
        field = _field(payload, at)
        if field.wire_type == GROUP:
            field = field._replace(end=_after_group(payload, field, count))
        if field.wire_type == GROUP_END:
            raise Broken("unexpected end of a group")
        yield field
        at = field.end


def delimited(number: int, content: bytes) -> bytes:
    """Encode a field of text, bytes or a message."""
    return varint(number << 3 | DELIMITED) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """Encode a number that is not negative."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _field(payload: bytes, start: int) -> WireField:
    tag, value = _read_varint(payload, start)
    number, wire_type = tag >> 3, tag & 7
    if not 0 < number <= _MOST_NUMBER or wire_type > FIXED32:
        raise Broken(f"invalid field {number} of wire type {wire_type}")
    end = value
    if wire_type == DELIMITED:
        size, value = _read_varint(payload, value)
        end = value + size
    elif wire_type == VARINT:
        _, end = _read_varint(payload, value)
    else:
        end += _FIXED.get(wire_type, 0)
    if end > len(payload):
        raise Broken("a field is cut off")
    return WireField(number, wire_type, start, value, end)


def _after_group(payload: bytes, group: WireField, count: Callable[[], None]) -> int:
    """Return the end of a group. Nested groups are tracked by number, to any depth."""
    inside, at = [group.number], group.value
    while inside:
        count()
        field = _field(payload, at)
        at = field.end
        if field.wire_type == GROUP:
            inside.append(field.number)
        if field.wire_type == GROUP_END and inside.pop() != field.number:
            raise Broken("unexpected end of a group")
    return at


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    """Return the number at this position, and its end."""
    if at < len(payload) and payload[at] < 128:
        return payload[at], at + 1
    number = 0
    for position, byte in enumerate(payload[at : at + _MOST_VARINT]):
        number |= (byte & 127) << 7 * position
        if byte < 128:
            return number, at + position + 1
    raise Broken("a number is cut off, or too long")
