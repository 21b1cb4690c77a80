"""Jaeger's structs for tests, as the Thrift writer takes them."""

from typing import Any

from spanlake.receivers.thrift import BOOL, DOUBLE, I32, I64, LIST, STRING, STRUCT
from tests.receivers.thrift_writer import Fields, binary, compact

TRACE_HIGH, TRACE_LOW, SPAN_ID = 0x0102030405060708, -0x10, 7
TRACE_ID = (TRACE_HIGH << 64 | TRACE_LOW & 2**64 - 1).to_bytes(16)
START_US = 1_795_348_800_000_000
_VALUES = {str: (0, 3, STRING), float: (1, 4, DOUBLE), bool: (2, 5, BOOL), int: (3, 6, I64), bytes: (4, 7, STRING)}


def tag(key: str, value: str | float | bool | int | bytes) -> Fields:
    """A Tag."""
    type_, field, kind = _VALUES[type(value)]
    encoded = value.encode() if isinstance(value, str) else value
    return [(1, STRING, key.encode()), (2, I32, type_), (field, kind, encoded)]


def tags(values: dict[str, Any]) -> tuple[int, list[Fields]]:
    """A list of them."""
    return STRUCT, [tag(key, value) for key, value in values.items()]


def reference(kind: int, span_id: int, low: int = TRACE_LOW) -> Fields:
    """A SpanRef, to a span of the same trace unless told otherwise."""
    return [(1, I32, kind), (2, I64, low), (3, I64, TRACE_HIGH), (4, I64, span_id)]


def span(
    values: dict[str, Any] | None = None, *, parent: int = 0, references: list[Fields] | None = None, logs: Any = ()
) -> Fields:
    """A Span of a millisecond."""
    return [
        (1, I64, TRACE_LOW),
        (2, I64, TRACE_HIGH),
        (3, I64, SPAN_ID),
        (4, I64, parent),
        (5, STRING, b"operation"),
        *([(6, LIST, (STRUCT, references))] if references else []),
        (7, I32, 1),
        (8, I64, START_US),
        (9, I64, 1000),
        *([(10, LIST, tags(values))] if values else []),
        *([(11, LIST, (STRUCT, [[(1, I64, time), (2, LIST, tags(log))] for time, log in logs]))] if logs else []),
    ]


def batch(*spans: Fields, process: dict[str, Any] | None = None, service: str = "shop") -> Fields:
    """A Batch of one process."""
    named: Fields = [(1, STRING, service.encode()), *([(2, LIST, tags(process))] if process else [])]
    return [(1, STRUCT, named), (2, LIST, (STRUCT, list(spans)))]


def over_http(fields: Fields) -> bytes:
    """A batch as a collector is sent it."""
    return binary(STRUCT, fields)


def binary_call(fields: Fields) -> bytes:
    """A batch as an agent is sent it, in the binary protocol."""
    return b"\x80\x01\x00\x04" + binary(STRING, b"emitBatch") + binary(I32, 1) + binary(STRUCT, [(1, STRUCT, fields)])


def compact_call(fields: Fields) -> bytes:
    """A batch as an agent is sent it, in the compact protocol."""
    return b"\x82\x81\x01" + compact(STRING, b"emitBatch") + compact(STRUCT, [(1, STRUCT, fields)])
