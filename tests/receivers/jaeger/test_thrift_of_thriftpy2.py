"""Batches that thriftpy2 writes by Jaeger's IDL (jaeger-idl 0.9.0) are read as they were meant, in both protocols."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import thriftpy2
from hypothesis import given
from hypothesis import strategies as st
from thriftpy2.protocol import TBinaryProtocol, TCompactProtocol
from thriftpy2.transport import TMemoryBuffer

from spanlake.receivers.jaeger import thrift
from tests.receivers.jaeger_spans import START_US
from tests.receivers.translated import alone, attributes, resources, spans

IDL = thriftpy2.load(str(Path(__file__).parents[2] / "data" / "idl" / "jaeger.thrift"), module_name="jaeger_thrift")
_FIELDS: dict[type, tuple[int, str]] = {
    str: (IDL.TagType.STRING, "vStr"),
    float: (IDL.TagType.DOUBLE, "vDouble"),
    bool: (IDL.TagType.BOOL, "vBool"),
    int: (IDL.TagType.LONG, "vLong"),
    bytes: (IDL.TagType.BINARY, "vBinary"),
}
_I64 = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUES = _TEXT | st.floats(allow_nan=False) | st.booleans() | _I64 | st.binary(max_size=20)
_TAGS = st.dictionaries(_TEXT.map(lambda key: f"tag.{key}"), _VALUES, max_size=4)


def _tags(values: dict[str, Any]) -> list[Any]:
    return [
        IDL.Tag(key=key, vType=_FIELDS[type(value)][0], **{_FIELDS[type(value)][1]: value})
        for key, value in values.items()
    ]


def _batch(names: list[str], tags: dict[str, Any]) -> Any:
    written = [
        IDL.Span(
            traceIdLow=number + 1,
            traceIdHigh=-1,
            spanId=-number - 1,
            parentSpanId=0,
            operationName=name,
            flags=1,
            startTime=START_US,
            duration=number,
            tags=_tags(tags),
            logs=[IDL.Log(timestamp=START_US, fields=_tags(tags))],
        )
        for number, name in enumerate(names)
    ]
    return IDL.Batch(process=IDL.Process(serviceName="shop", tags=_tags({"zone": "a"})), spans=written)


def _written(protocol: Callable[[Any], Any], batch: Any, head: bytes = b"", tail: bytes = b"") -> bytes:
    buffer = TMemoryBuffer()
    batch.write(protocol(buffer))
    return head + bytes(buffer.getvalue()) + tail


_WRAPPINGS: dict[str, tuple[Callable[[Any], bytes], Any]] = {
    "binary": (lambda batch: _written(TBinaryProtocol, batch), alone(thrift.http_batches)),
    "compact": (
        lambda batch: _written(TCompactProtocol, batch, b"\x82\x81\x01\x09emitBatch\x1c", b"\x00"),
        alone(thrift.compact_calls),
    ),
}


@pytest.mark.parametrize("wrapping", _WRAPPINGS)
@given(names=st.lists(_TEXT, max_size=3), tags=_TAGS)
def test_batch_of_thriftpy2_is_read_as_it_was_meant(wrapping: str, names: list[str], tags: dict[str, Any]) -> None:
    write, read = _WRAPPINGS[wrapping]
    translated = read(write(_batch(names, tags)))
    found = spans(translated)
    assert [span.name for span in found] == names
    ids = [int.from_bytes(span.span_id, signed=True) for span in found]
    assert ids == [-number - 1 for number in range(len(names))]
    assert [attributes(span) for span in found] == [tags] * len(names)
    assert [attributes(event) for span in found for event in span.events] == [tags] * len(names)
    assert resources(translated) == ([{"service.name": "shop", "zone": "a"}] if names else [])
