"""Typed access to JSON responses, and OTLP's AnyValue as Python values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanlake.cli.errors import MalformedAnswer
from spanlake.cli.printable import printable

Object = Mapping[str, object]

MAX_UINT64 = 2**64 - 1


def parse(body: bytes) -> Object:
    """Parse an answer to an object; raises MalformedAnswer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        begin = printable(body[:60].decode("utf-8", "replace"))
        raise MalformedAnswer(f"the answer is not JSON, is this a server of the Tempo API? It begins {begin}") from None
    return as_object(answer, "the answer")


def objects(parent: Object, key: str) -> list[Object]:
    """Return the list of objects under a key."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed(f"{key} is not a list")
    return [as_object(item, key) for item in value]


def as_object(value: object, what: str) -> Object:
    """Return the value if it is an object; raises MalformedAnswer."""
    if not isinstance(value, dict):
        raise _malformed(f"{what} is not an object")
    return value


def text(parent: Object, key: str) -> str:
    """Return the text under a key."""
    value = parent.get(key, "")
    if not isinstance(value, str):
        raise _malformed(f"{key} is not text")
    return value


def texts(parent: Object, key: str) -> tuple[str, ...]:
    """Return the list of texts under a key."""
    values = parent.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _malformed(f"{key} is not a list of texts")
    return tuple(values)


def whole(parent: Object, key: str) -> int:
    """Return the integer under a key, from 0 to the maximum of 64 bits."""
    value = parent.get(key, 0)
    try:
        number = int(value) if isinstance(value, int | str) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_UINT64:
        raise _malformed(f"{key} is not a number of 64 bits")
    return number


def number(parent: Object, key: str) -> float:
    """Return the number under a key, which may be NaN or infinite."""
    value = parent.get(key, 0.0)
    try:
        return float(value) if isinstance(value, int | float | str) else _not_a_number(key)
    except (ValueError, OverflowError):
        return _not_a_number(key)


def _not_a_number(key: str) -> float:
    raise _malformed(f"{key} is not a number")


def _malformed(reason: str) -> MalformedAnswer:
    return MalformedAnswer(f"the answer is not one of the Tempo API: {reason}")


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


def attributes_in(parent: Object, key: str = "attributes") -> Attributes:
    """Return the attributes under a key of an object; raises MalformedAnswer."""
    try:
        return tuple((text(item, "key"), _in_json(item.get("value"))) for item in objects(parent, key))
    except RecursionError:
        raise MalformedAnswer("the answer has an attribute that is nested too deep") from None


def _in_json(value: object) -> Value:
    if value is None:
        return None
    given = as_object(value, "an attribute's value")
    if "intValue" in given:
        return _integer(given["intValue"])
    if "doubleValue" in given:
        return number(given, "doubleValue")
    if "boolValue" in given:
        return given["boolValue"] is True
    if "arrayValue" in given:
        items = as_object(given["arrayValue"], "arrayValue")
        return [_in_json(item) for item in objects(items, "values")]
    if "kvlistValue" in given:
        return dict(attributes_in(as_object(given["kvlistValue"], "kvlistValue"), "values"))
    return next((text(given, key) for key in ("stringValue", "bytesValue") if key in given), None)


def _integer(value: object) -> int:
    try:
        return int(value) if isinstance(value, int | str) else _not_whole()
    except ValueError:
        return _not_whole()


def _not_whole() -> int:
    raise MalformedAnswer("the answer is not one of the Tempo API: intValue is not a whole number")
