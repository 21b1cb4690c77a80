"""Heads of calls whose method is no text are recognised, however they are compressed and cut into frames."""

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from spanlake.edge.heads import Heads
from spanlake.edge.http2 import CONTINUATION, END_HEADERS, HEADERS, PADDED, PRIORITY
from spanlake.edge.inflow import Inflow

EXPORT = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ODD = b"/\xff\xfe/Export"


def block(path: bytes, encoder: Encoder | None = None, *, is_coded: bool = False) -> bytes:
    fields = [(b":method", b"POST"), (b":path", path), (b"grpc-trace-bin", b"\0\xff\xfe"), (b"x-scope-orgid", b"t")]
    return (encoder or Encoder()).encode(fields, huffman=is_coded)


def frame(kind: int, payload: bytes, flags: int = END_HEADERS) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + (1).to_bytes(4) + payload


@pytest.mark.parametrize("is_coded", [False, True])
@pytest.mark.parametrize(("path", "is_refused"), [(EXPORT, False), (ODD, True)])
def test_method_that_is_no_text_is_refused(path: bytes, *, is_refused: bool, is_coded: bool) -> None:
    heads = Heads()
    heads.take(HEADERS, END_HEADERS, block(path, is_coded=is_coded))
    assert heads.is_refused == is_refused


@pytest.mark.parametrize(
    ("name", "value", "is_refused"),
    [
        (b"x-user", b"\xc3\xa9", True),
        (b"x-us\xe9r", b"e", True),
        (b"\xff-bin", b"e", True),
        (b"x-user-bin", b"\xc3\xa9", False),
        (b"x-user", b"9{\\}~<^`|", False),
    ],
)
def test_other_fields_are_text_unless_they_are_said_to_be_binary(
    name: bytes, value: bytes, *, is_refused: bool
) -> None:
    for is_coded in (False, True):
        heads = Heads()
        heads.take(HEADERS, END_HEADERS, Encoder().encode([(b":path", EXPORT), (name, value)], huffman=is_coded))
        assert heads.is_refused == is_refused


def test_methods_that_were_sent_before_are_known() -> None:
    encoder, heads = Encoder(), Heads()
    for path in (EXPORT, b"/other", EXPORT, b"/third", b"/other"):
        heads.take(HEADERS, END_HEADERS, block(path, encoder))
    assert not heads.is_refused
    heads.take(HEADERS, END_HEADERS, block(ODD, encoder))
    assert heads.is_refused


def test_heads_in_several_padded_frames_are_read() -> None:
    whole = block(ODD)
    first = frame(HEADERS, b"\x03" + bytes(5) + whole[:9] + bytes(3), PADDED | PRIORITY)
    inflow = Inflow()
    inflow.feed(first)
    assert not inflow.is_refused
    inflow.feed(frame(CONTINUATION, whole[9:]))
    assert inflow.is_refused


@pytest.mark.parametrize(
    "frames",
    [
        frame(CONTINUATION, b""),
        frame(HEADERS, b"\x82", 0) + frame(HEADERS, b"\x82"),
        frame(HEADERS, bytes(20_000)),
        frame(HEADERS, b"\x82", 0) + frame(CONTINUATION, bytes(16_000), 0) * 5,
        frame(HEADERS, b"\x00\x7f"),
        frame(HEADERS, b"\x0f\xff\xff\xff\xff\x0f"),
    ],
    ids=["no beginning", "two beginnings", "large frame", "endless", "cut short", "unknown field"],
)
def test_malformed_heads_are_refused(frames: bytes) -> None:
    inflow = Inflow()
    inflow.feed(frames)
    assert inflow.is_refused


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(1, 40))
def test_heads_take_any_bytes_at_any_cut(blocks: list[bytes], step: int) -> None:
    sent = b"".join(frame(HEADERS, each) for each in blocks)
    whole, cut = Inflow(), Inflow()
    whole.feed(sent)
    for at in range(0, len(sent), step):
        cut.feed(sent[at : at + step])
    assert whole.is_refused == cut.is_refused
