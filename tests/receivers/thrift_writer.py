"""Writes Thrift: structs are lists of fields, each with its number, type and value."""

import struct
from typing import Any

from spanlake.receivers.thrift import BOOL, BYTE, DOUBLE, I16, I32, I64, LIST, STRING, STRUCT

Fields = list[tuple[int, int, Any]]

_LAYOUTS = {BOOL: ">?", BYTE: ">b", DOUBLE: ">d", I16: ">h", I32: ">i", I64: ">q"}
_COMPACT = {BOOL: 1, BYTE: 3, I16: 4, I32: 5, I64: 6, DOUBLE: 7, STRING: 8, LIST: 9, STRUCT: 12}


def binary(type_: int, value: Any) -> bytes:
    """A value in the binary protocol; a list is a pair of the items' type and the items."""
    if type_ == STRING:
        return struct.pack(">i", len(value)) + bytes(value)
    if type_ == LIST:
        item_type, items = value
        return struct.pack(">bi", item_type, len(items)) + b"".join(binary(item_type, item) for item in items)
    if type_ == STRUCT:
        fields = (struct.pack(">bh", kind, number) + binary(kind, each) for number, kind, each in value)
        return b"".join(fields) + b"\0"
    return struct.pack(_LAYOUTS[type_], value)


def compact(type_: int, value: Any) -> bytes:
    """Encodes the value in the compact protocol."""
    if type_ == STRING:
        return _varint(len(value)) + bytes(value)
    if type_ == LIST:
        item_type, items = value
        head = bytes([min(len(items), 15) << 4 | _COMPACT[item_type]]) + (
            _varint(len(items)) if len(items) > 14 else b""
        )
        return head + b"".join(compact(item_type, item) for item in items)
    if type_ == STRUCT:
        return _compact_struct(value)
    if type_ == DOUBLE:
        return struct.pack("<d", value)
    if type_ == BOOL:
        return b"\x01" if value else b"\x02"
    return struct.pack("b", value) if type_ == BYTE else _varint(_zigzag(value))


def _compact_struct(fields: Fields) -> bytes:
    written, last = b"", 0
    for number, type_, value in fields:
        kind = 2 if type_ == BOOL and not value else _COMPACT[type_]
        step = number - last
        written += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _varint(_zigzag(number))
        written += b"" if type_ == BOOL else compact(type_, value)
        last = number
    return written + b"\0"


def _zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


def _varint(number: int) -> bytes:
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])
