import json

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from spanlake.cli.client.json import Value, attributes_in, attributes_of

VALUES: list[tuple[AnyValue, Value]] = [
    (AnyValue(), None),
    (AnyValue(string_value=""), ""),
    (AnyValue(string_value="x"), "x"),
    (AnyValue(bool_value=False), False),
    (AnyValue(int_value=-(2**63)), -(2**63)),
    (AnyValue(double_value=0.5), 0.5),
    (AnyValue(array_value=ArrayValue()), []),
    (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])), [1, None]),
    (AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=True))])), {"k": True}),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_values_are_equal_from_protobuf_and_json(value: AnyValue, expected: Value) -> None:
    attribute = KeyValue(key="a", value=value)
    assert attributes_of([attribute]) == (("a", expected),)
    in_json = json.loads(json.dumps({"attributes": [MessageToDict(attribute)]}))
    assert attributes_in(in_json) == (("a", expected),)


def test_values_keep_bytes_of_protobuf_and_base64_of_json() -> None:
    assert attributes_of([KeyValue(key="a", value=AnyValue(bytes_value=b"\0"))]) == (("a", b"\0"),)
    assert attributes_in({"attributes": [{"key": "a", "value": {"bytesValue": "AA=="}}]}) == (("a", "AA=="),)


def test_values_read_special_numbers_of_json() -> None:
    (_, value), *_ = attributes_in({"attributes": [{"key": "a", "value": {"doubleValue": "Infinity"}}]})
    assert value == float("inf")


def test_values_read_missing_value_of_json() -> None:
    assert attributes_in({"attributes": [{"key": "a"}]}) == (("a", None),)
