"""Elements of OpenCensus' spans that are read one by one: attributes, time events, links and states.

Each function takes an encoded message of ``opencensus_messages`` and raises protobuf's DecodeError.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from spanlake.receivers.opencensus.messages import MESSAGES
from spanlake.receivers.otlp_rows import REMEMBERED, SHORT, Tag, Value, attribute, delimited, event, link
from spanlake.spans.otlp.encoded_columns import varint
from spanlake.spans.otlp.protobuf import Decoder

_MESSAGE_TYPES = {0: "TYPE_UNSPECIFIED", 1: "SENT", 2: "RECEIVED"}
_UNKNOWN_VALUE = "<Unknown OpenCensus attribute value type>"
_UNKNOWN_EVENT = "An unknown OpenCensus TimeEvent type was detected when translating"


@cache
def decoder() -> Decoder:
    """Return the decoder of OpenCensus' messages."""
    return Decoder("spanlake.opencensus", MESSAGES)


def entry(encoded: bytes) -> Tag:
    """Read an entry of an attribute map."""
    return _short_entry(encoded) if len(encoded) <= SHORT else _entry(encoded)


def events(encoded: bytes) -> bytes:
    """Encode TimeEvents as fields of OTLP's Span."""
    message = _read("TimeEvents", encoded)
    dropped = message.dropped_annotations + message.dropped_message_events
    return b"".join(b"\x5a" + _event(each) for each in message.time_event) + count(b"\x60", dropped)


def links(encoded: bytes) -> bytes:
    """Encode Links as fields of OTLP's Span."""
    message = _read("Links", encoded)
    named = [each for each in message.link if each.trace_id and each.span_id]
    return b"".join(b"\x6a" + _link(each) for each in named) + count(b"\x70", message.dropped)


def trace_state(encoded: bytes) -> bytes:
    """Encode a Tracestate as a field of OTLP's Span."""
    state = _trace_state(_read("Tracestate", encoded)).encode()
    return b"\x1a" + delimited(state) if state else b""


def status(encoded: bytes) -> tuple[int, str]:
    """Return code, a gRPC code, and message of a Status."""
    message = _read("Status", encoded)
    return message.code, _text(message.message)


def count(tag: bytes, number: int) -> bytes:
    """Encode a count: an int32 as OTLP's uint32."""
    return tag + varint(_uint32(number)) if number else b""


def _read(message: str, encoded: bytes) -> Any:
    return decoder().message(message).FromString(encoded)


def _entry(encoded: bytes) -> Tag:
    read = _read("Entry", encoded)
    key, value = _text(read.key), _value(read.value)
    return key, (value, attribute(key, value))


_short_entry = lru_cache(REMEMBERED)(_entry)


def _encoded(entries: Iterable[bytes]) -> list[bytes]:
    """Encode attributes; of several with one key the last counts."""
    return [encoded for _, encoded in dict(map(entry, entries)).values()]


def _event(message: Any) -> bytes:
    time = _nanoseconds(message.time)
    match message.WhichOneof("value"):
        case "annotation":
            attributes = message.annotation.attributes
            name = _text(message.annotation.description.value)
            return event(time, name, _encoded(attributes.attribute_map), _uint32(attributes.dropped))
        case "message_event":
            return event(time, "message", _of_message(message.message_event))
        case _:
            return event(time, _UNKNOWN_EVENT)


def _link(message: Any) -> bytes:
    return link(
        _id(message.trace_id, 16),
        _id(message.span_id, 8),
        _encoded(message.attributes.attribute_map),
        _trace_state(message.tracestate),
        _uint32(message.attributes.dropped),
    )


def _value(message: Any) -> Value:
    match message.WhichOneof("value"):
        case "string_value":
            return _text(message.string_value.value)
        case "int_value":
            return int(message.int_value)
        case "bool_value":
            return bool(message.bool_value)
        case "double_value":
            return float(message.double_value)
        case _:
            return _UNKNOWN_VALUE


def _of_message(message: Any) -> list[bytes]:
    attributes: dict[str, Value] = {
        "message.type": _MESSAGE_TYPES.get(message.type, str(message.type)),
        "messaging.message_id": _signed(message.id),
        "messaging.message_payload_size_bytes": _signed(message.uncompressed_size),
        "messaging.message_payload_compressed_size_bytes": _signed(message.compressed_size),
    }
    return [attribute(key, value) for key, value in attributes.items()]


def _trace_state(message: Any) -> str:
    """Write entries in the form of W3C's header."""
    return ",".join(f"{_text(entry.key)}={_text(entry.value)}" for entry in message.entries)


def _uint32(number: int) -> int:
    return number & 0xFFFFFFFF


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _id(id_: bytes, length: int) -> bytes:
    """Pad an id with zeros on the left; bytes beyond the length are cut off."""
    return id_ if len(id_) in (0, length) else id_[:length].rjust(length, b"\0")


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")


def _nanoseconds(time: Any) -> int:
    return int(time.seconds * 1_000_000_000 + time.nanos)
