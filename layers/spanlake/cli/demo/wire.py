"""Attributes as messages of OTLP."""

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanlake.cli.demo.operation import Attributes, Value


def key_values(attributes: Attributes) -> list[KeyValue]:
    """Return the attributes of a span, a resource, an event or a link."""
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            found = AnyValue()
            found.array_value.values.extend(AnyValue(string_value=item) for item in value)
            return found
        case _:
            return AnyValue(string_value=value)
