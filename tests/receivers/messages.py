"""Messages of other protocols, made from the tables that the receivers read them by."""

from functools import cache
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from spanlake.receivers.jaeger.protobuf import MESSAGES as JAEGER
from spanlake.receivers.opencensus.messages import MESSAGES as OPENCENSUS
from spanlake.spans.otlp.protobuf import Messages, message_types


def jaeger(message: str, /, **fields: Any) -> bytes:
    """A message of Jaeger's api_v2, encoded."""
    return _encoded("tests.jaeger", message, fields)


def opencensus(message: str, /, **fields: Any) -> bytes:
    """A message of OpenCensus' agent, encoded."""
    return _encoded("tests.opencensus", message, fields)


def _encoded(package: str, message: str, fields: dict[str, Any]) -> bytes:
    encoded: bytes = _types(package)[message](**fields).SerializeToString()
    return encoded


@cache
def _types(package: str) -> dict[str, Any]:
    messages: dict[str, Messages] = {"tests.jaeger": JAEGER, "tests.opencensus": OPENCENSUS}
    return {name: GetMessageClass(type_) for name, type_ in message_types(package, messages[package]).items()}
