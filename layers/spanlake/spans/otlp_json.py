"""OTLP's messages as JSON, and back.

Written is what rest columns hold and Tempo answers: protobuf's own mapping, with names in lowerCamelCase, enums by
name, 64-bit integers as strings, bytes as base64, and defaults left out. Read is what clients send, by the rules of
OTLP/JSON (OTLP specification 1.10, "JSON Protobuf Encoding"): trace and span ids are hexadecimal there.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, EnumValueDescriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

JsonObject: TypeAlias = dict[str, Any]

_HEXADECIMAL = frozenset(("trace_id", "span_id", "parent_span_id"))
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.TYPE_UINT32: range(2**32),
    FieldDescriptor.TYPE_FIXED32: range(2**32),
    FieldDescriptor.TYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.TYPE_FIXED64: range(2**64),
}
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_FROM_URL_SAFE = str.maketrans("-_", "+/")
_AS_STRING = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_FIXED64)


class NotOtlpJson(ValueError):  # noqa: N818
    """JSON that does not say what the message needs; the text says where and why."""


def write(message: Message) -> JsonObject:
    """Turn a message into what ``json.dumps`` takes; recursion is as deep as the message's."""
    converters = _writers(message.DESCRIPTOR)
    return {converters[field.number][0]: converters[field.number][1](value) for field, value in message.ListFields()}


@cache
def _writers(descriptor: Descriptor) -> dict[int, tuple[str, Callable[[Any], Any]]]:
    return {field.number: (field.json_name, _writer(field)) for field in descriptor.fields}


def _writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    one = _value_writer(field)
    return (lambda values: [one(value) for value in values]) if field.is_repeated else one


def _value_writer(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type:
        return _write_key_value if field.message_type is KeyValue.DESCRIPTOR else write
    if field.enum_type:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number, number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda data: base64.b64encode(data).decode()
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _write_double
    return str if field.type in _AS_STRING else lambda value: value


def _write_key_value(attribute: KeyValue) -> JsonObject:
    """What ``write`` does, sooner: most of a trace is attributes."""
    written: JsonObject = {"key": attribute.key} if attribute.key else {}
    if attribute.HasField("value"):
        written["value"] = _write_any_value(attribute.value)
    return written


def _write_any_value(value: AnyValue) -> JsonObject:
    kind = value.WhichOneof("value")
    if kind is None:
        return {}
    name, convert = _writers(AnyValue.DESCRIPTOR)[AnyValue.DESCRIPTOR.fields_by_name[kind].number]
    return {name: convert(getattr(value, kind))}


def _write_double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def parse(message: Message, value: object, levels: int = 100) -> None:
    """Fill a message from parsed JSON.

    Names may be lowerCamelCase or the original ones, enums numbers or names, integers numbers or strings; ``null``
    is as good as nothing, and unknown members are passed over. Raises NotOtlpJson, also when messages nest deeper
    than ``levels``, by default as deep as protobuf's own decoders go.
    """
    if not levels:
        raise NotOtlpJson("values nest too deep")
    if not isinstance(value, dict):
        raise NotOtlpJson(f"{message.DESCRIPTOR.name} must be an object")
    readers = _readers(message.DESCRIPTOR)
    for name, member in value.items():
        if member is not None and name in readers:
            readers[name](message, member, levels - 1)


@cache
def _readers(descriptor: Descriptor) -> dict[str, Callable[[Any, Any, int], None]]:
    readers = {field.json_name: _reader(field) for field in descriptor.fields}
    return readers | {field.name: readers[field.json_name] for field in descriptor.fields}


def _reader(field: FieldDescriptor) -> Callable[[Any, Any, int], None]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _messages_reader(field) if field.is_repeated else _message_reader(field)
    return _values_reader(field) if field.is_repeated else _value_reader(field)


def _message_reader(field: FieldDescriptor) -> Callable[[Any, Any, int], None]:
    def read(message: Message, value: object, levels: int) -> None:
        part = getattr(message, field.name)
        part.SetInParent()
        parse(part, value, levels)

    return read


def _messages_reader(field: FieldDescriptor) -> Callable[[Any, Any, int], None]:
    def read(message: Message, value: object, levels: int) -> None:
        parts = getattr(message, field.name)
        for item in _list(field, value):
            parse(parts.add(), item, levels)

    return read


def _value_reader(field: FieldDescriptor) -> Callable[[Any, Any, int], None]:
    convert = _converter(field)
    return lambda message, value, _: setattr(message, field.name, convert(value))


def _values_reader(field: FieldDescriptor) -> Callable[[Any, Any, int], None]:
    convert = _converter(field)
    return lambda message, value, _: getattr(message, field.name).extend(map(convert, _list(field, value)))


def _list(field: FieldDescriptor, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise NotOtlpJson(f"{field.json_name} must be an array")
    return value


def _converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    """What makes a field's value of a JSON value."""
    read = _conversion(field)

    def convert(value: object) -> Any:
        try:
            return read(value)
        except (ValueError, TypeError, OverflowError) as error:
            raise NotOtlpJson(f"{field.json_name} cannot be {_shown(value)}: {error}") from error

    return convert


def _conversion(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type:
        numbers = field.enum_type.values_by_name
        return lambda value: _enum(value, numbers)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return binascii.unhexlify if field.name in _HEXADECIMAL else _base64
    if field.type in _INTEGERS:
        return lambda value: _integer(value, _INTEGERS[field.type])
    return _CONVERSIONS[field.type]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a string is needed")
    value.encode()  # half of a surrogate pair is not text
    return value


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is needed")
    return value


def _double(value: object) -> float:
    if isinstance(value, str):
        return _NOT_FINITE[value] if value in _NOT_FINITE else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is needed")
    return float(value)


def _integer(value: object, allowed: range) -> int:
    number = _whole(value)
    if number not in allowed:
        raise ValueError("it is out of range")
    return number


def _whole(value: object) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError("a whole number is needed")


def _enum(value: object, numbers: Mapping[str, EnumValueDescriptor]) -> int:
    if isinstance(value, str) and value in numbers:
        return numbers[value].number
    return _integer(value, _INTEGERS[FieldDescriptor.TYPE_INT32])


def _base64(value: object) -> bytes:
    text = _string(value).translate(_FROM_URL_SAFE).rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: _double,
}


def _shown(value: object) -> str:
    return repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}…"
