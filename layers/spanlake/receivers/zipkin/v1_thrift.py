"""Zipkin's v1 Thrift: a list of spans in the binary protocol, with the fields of zipkin-api's zipkinCore.thrift."""

import base64
from functools import partial
from struct import Struct

from spanlake.receivers import thrift
from spanlake.receivers.otlp_rows import Value
from spanlake.receivers.thrift import BinaryReader, Reader
from spanlake.receivers.translation import Translated
from spanlake.receivers.zipkin import v2
from spanlake.receivers.zipkin.v1 import NOWHERE, Annotation, BinaryAnnotation, Endpoint, ZipkinV1Span, export

_FORMAT = "Zipkin's v1 Thrift"
_TRACE_ID = Struct(">qq").pack
_SPAN_ID = Struct(">q").pack


def spans(body: bytes) -> Translated:
    """Convert a list of spans to an ExportTraceServiceRequest. Raises MalformedSpans when the body is not a list.

    Every struct counts as a span: the store judges whether it lacks a part, such as an id.
    """
    reader = BinaryReader(body, _FORMAT)
    return Translated(export(thrift.whole(reader, _spans), now_ns=None))


def _spans(reader: Reader) -> list[ZipkinV1Span]:
    return thrift.required_items(reader, thrift.STRUCT, _span)


def _span(reader: Reader) -> ZipkinV1Span:
    found = reader.struct(_SPAN)
    return ZipkinV1Span(
        _TRACE_ID(found.get(12, 0), found.get(1, 0)),
        _SPAN_ID(found.get(4, 0)),
        _SPAN_ID(found.get(5, 0)),
        found.get(3, ""),
        found.get(10),
        found.get(11, 0),
        found.get(6, ()),
        found.get(8, ()),
    )


def _annotation(reader: Reader) -> Annotation:
    found = reader.struct(_ANNOTATION)
    return Annotation(found.get(1, 0), found.get(2, ""), found.get(3, NOWHERE))


def _binary_annotation(reader: Reader) -> BinaryAnnotation:
    found = reader.struct(_BINARY_ANNOTATION)
    value = _value(found.get(3, 0), found.get(2, b""))
    return BinaryAnnotation(found.get(1, ""), value, found.get(4))


def _endpoint(reader: Reader) -> Endpoint:
    found = reader.struct(_ENDPOINT)
    ipv4 = found.get(1, 0)
    return Endpoint(
        found.get(3, ""),
        v2.from_bytes(_IPV4(ipv4)) if ipv4 else "",
        v2.from_bytes(found[4]) if found.get(4) else "",
        found.get(2, 0),
    )


_IPV4 = Struct(">i").pack
_ENDPOINT: thrift.Fields = {
    1: thrift.INT,
    2: thrift.SHORT,
    3: thrift.TEXT,
    4: thrift.BYTES,
}
_ANNOTATION: thrift.Fields = {
    1: thrift.LONG,
    2: thrift.TEXT,
    3: (thrift.STRUCT, _endpoint),
}
_BINARY_ANNOTATION: thrift.Fields = {
    1: thrift.TEXT,
    2: thrift.BYTES,
    3: thrift.INT,
    4: (thrift.STRUCT, _endpoint),
}
_SPAN: thrift.Fields = {
    1: thrift.LONG,
    3: thrift.TEXT,
    4: thrift.LONG,
    5: thrift.LONG,
    6: (thrift.LIST, partial(thrift.items, type_=thrift.STRUCT, read=_annotation)),
    8: (thrift.LIST, partial(thrift.items, type_=thrift.STRUCT, read=_binary_annotation)),
    10: thrift.LONG,
    11: thrift.LONG,
    12: thrift.LONG,
}

_BOOL, _BYTES, _STRING = 0, 1, 6
_NUMBERS = {2: Struct(">H"), 3: Struct(">I"), 4: Struct(">q"), 5: Struct(">d")}
"""Formats of numbers; the Collector reads the shorter integers as unsigned."""


def _value(type_: int, encoded: bytes) -> Value:
    """Return a binary annotation's value; where it cannot be read, the Collector's text for this case."""
    if type_ == _BOOL:
        return encoded == b"\x01"
    if type_ == _BYTES:
        return base64.b64encode(encoded).decode()
    if type_ == _STRING:
        return encoded.decode(errors="replace")
    if type_ not in _NUMBERS:
        return f"<unknown zipkin v1 binary annotation type ({type_})>"
    layout = _NUMBERS[type_]
    if len(encoded) < layout.size:
        return "<not enough bytes representing the number>"
    number: float = layout.unpack_from(encoded)[0]
    return number
