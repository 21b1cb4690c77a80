"""OTLP's AnyValue, from protobuf and from JSON, as plain Python values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanlake.cli.client import json
from spanlake.cli.errors import MalformedAnswer

Value: TypeAlias = "str | bool | int | float | bytes | Sequence[Value] | Mapping[str, Value] | None"
Attributes: TypeAlias = tuple[tuple[str, Value], ...]
"""Keys and values in the order of the answer; a key may occur twice."""


def attributes_of(items: Iterable[KeyValue]) -> Attributes:
    """Return the attributes of a protobuf message."""
    return tuple((item.key, _of_message(item.value)) for item in items)


def _of_message(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_of_message(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return dict(attributes_of(value.kvlist_value.values))
    plain: Value = getattr(value, kind)
    return plain


def attributes_in(parent: json.Object, key: str = "attributes") -> Attributes:
    """Return the attributes under a key of an object; raises MalformedAnswer."""
    try:
        return tuple((json.text(item, "key"), _in_json(item.get("value"))) for item in json.objects(parent, key))
    except RecursionError:
        raise MalformedAnswer("the answer has an attribute that is nested too deep") from None


def _in_json(value: object) -> Value:
    if value is None:
        return None
    given = json.as_object(value, "an attribute's value")
    if "intValue" in given:
        return _integer(given["intValue"])
    if "doubleValue" in given:
        return json.number(given, "doubleValue")
    if "boolValue" in given:
        return given["boolValue"] is True
    if "arrayValue" in given:
        items = json.as_object(given["arrayValue"], "arrayValue")
        return [_in_json(item) for item in json.objects(items, "values")]
    if "kvlistValue" in given:
        return dict(attributes_in(json.as_object(given["kvlistValue"], "kvlistValue"), "values"))
    return next((json.text(given, key) for key in ("stringValue", "bytesValue") if key in given), None)


def _integer(value: object) -> int:
    try:
        return int(value) if isinstance(value, int | str) else _not_whole()
    except ValueError:
        return _not_whole()


def _not_whole() -> int:
    raise MalformedAnswer("the answer is not one of the Tempo API: intValue is not a whole number")
