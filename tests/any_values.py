"""Attributes of tests and benches as OTLP has them."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def any_value(value: Any) -> AnyValue:
    """A value as OTLP has it; None is an empty one."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list() | tuple():
            found = AnyValue()
            found.array_value.values.extend(any_value(item) for item in value)
            found.array_value.SetInParent()
            return found
        case dict():
            found = AnyValue()
            found.kvlist_value.values.extend(key_values(value))
            found.kvlist_value.SetInParent()
            return found
        case _:
            return AnyValue(string_value=value)


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]
