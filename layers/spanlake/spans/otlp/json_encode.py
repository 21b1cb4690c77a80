"""Writes OTLP's messages as JSON, for rest columns and for Tempo's answers.

This is protobuf's own mapping: names in lowerCamelCase, enums by name, 64-bit integers as strings, bytes as base64,
defaults left out. ``json_messages`` reads the JSON that clients send.
"""

import base64
import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

JsonObject: TypeAlias = dict[str, Any]

_AS_STRING = (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_FIXED64)


def write(message: Message) -> JsonObject:
    """Convert a message to the argument of ``json.dumps``; recursion is as deep as the message."""
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
    """Write a KeyValue, faster than ``write`` does: most of a trace is attributes."""
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
