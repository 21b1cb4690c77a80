"""Converts JSON values to values of protobuf fields, tolerantly: numbers may be text, and text may be anything."""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

_HEXADECIMAL = frozenset(("trace_id", "span_id", "parent_span_id"))
_NOT_FINITE = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf}
INTEGERS = {
    FieldDescriptor.TYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_UINT32: range(2**32),
    FieldDescriptor.TYPE_FIXED32: range(2**32),
    FieldDescriptor.TYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.TYPE_FIXED64: range(2**64),
}
"""Ranges of the integer types of fields."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MOST_DIGITS = 400  # of numbers in quotes; a double has 309 at most before its point
_LARGE = 2**64
_FROM_URL_SAFE = str.maketrans("-_", "+/")

Conversion = Callable[[Any], Any]


class Unreadable(ValueError):  # noqa: N818
    """A JSON value that a field cannot hold."""


def conversion(field: FieldDescriptor) -> Conversion:
    """Return the function that converts a JSON value other than null to the field's value; it raises Unreadable."""
    if field.enum_type:
        return _enum_conversion(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return hexadecimal if field.name in _HEXADECIMAL else _base64
    if field.type == FieldDescriptor.TYPE_FIXED64:
        return time
    if field.type in INTEGERS:
        allowed = INTEGERS[field.type]
        return lambda value: integer(value, allowed)
    return _CONVERSIONS[field.type]


def text(value: object) -> str:
    """Return a string unchanged, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def hexadecimal(value: object) -> bytes:
    """Read the bytes of an id in hexadecimal digits. Raises Unreadable."""
    try:
        return binascii.unhexlify(value.strip()) if isinstance(value, str) else _refuse(value)
    except ValueError as error:
        raise Unreadable("an id is not hexadecimal") from error


def integer(value: object, allowed: range) -> int:
    """Read a whole number, also in quotes, also with an exponent. Raises Unreadable."""
    found = number(value)
    whole = _truncated(found)
    return whole if whole == found and whole in allowed else _refuse(value)


def time(value: object) -> int:
    """Read a time in nanoseconds; a fraction is cut off. Raises Unreadable."""
    found = _truncated(number(value))
    return found if found in INTEGERS[FieldDescriptor.TYPE_FIXED64] else _refuse(value)


def double(value: object) -> float:
    """Read a number, also in quotes, also NaN or infinite. Raises Unreadable."""
    if isinstance(value, str) and value.strip().lower() in _NOT_FINITE:
        return _NOT_FINITE[value.strip().lower()]
    try:
        return float(number(value))
    except OverflowError:
        return math.inf if number(value) > 0 else -math.inf


def number(value: object) -> int | float | Decimal:
    """Read a number, also in quotes. Raises Unreadable."""
    if isinstance(value, str):
        return _quoted(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _refuse(value)
    return value


def _quoted(digits: str) -> int | Decimal:
    if len(digits) > _MOST_DIGITS or not _NUMBER.fullmatch(digits):
        return _refuse(digits)
    found = Decimal(digits)
    return int(digits) if digits.lstrip("+-").isdigit() else found


def _truncated(found: int | float | Decimal) -> int:
    """Return a number without its fraction. Raises Unreadable for a float that is not finite or far beyond 64 bits."""
    if isinstance(found, int):
        return found
    return int(found) if math.isfinite(found) and -_LARGE < found < _LARGE else _refuse(found)


def _bool(value: object) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool) else _refuse(value)


def _enum_conversion(enum: EnumDescriptor) -> Conversion:
    names = _names(enum)
    allowed = INTEGERS[FieldDescriptor.TYPE_INT32]
    return lambda value: names[name] if (name := _name(value, enum)) in names else integer(value, allowed)


@cache
def _names(enum: EnumDescriptor) -> Mapping[str, int]:
    """Return the numbers of an enum by the distinctive part of their names."""
    prefix = _prefix(enum)
    return {name.removeprefix(prefix): value.number for name, value in enum.values_by_name.items()}


def _name(value: object, enum: EnumDescriptor) -> str:
    return value.strip().upper().removeprefix(_prefix(enum)) if isinstance(value, str) else ""


@cache
def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.rpartition("_")[0] + "_"


def _base64(value: object) -> bytes:
    if not isinstance(value, str):
        return _refuse(value)
    digits = value.strip().translate(_FROM_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError as error:
        raise Unreadable("bytes are not in base64") from error


def _refuse(value: object) -> NoReturn:
    raise Unreadable(f"the field cannot be {type(value).__name__}")


_CONVERSIONS: dict[int, Conversion] = {
    FieldDescriptor.TYPE_STRING: text,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: double,
}
