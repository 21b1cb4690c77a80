"""The bytes of incomplete messages are known at any cut of the connection's frames."""

from hypothesis import given
from hypothesis import strategies as st

from spanlake.edge.http2 import DATA, END_STREAM, PADDED, RST_STREAM
from spanlake.edge.inflow import CountedInflow, Inflow
from spanlake.ingest.admission import Admission

HEADERS = 1


def frame(kind: int, stream: int, payload: bytes, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def message(size: int, came: int | None = None) -> bytes:
    return (b"\0" + size.to_bytes(4) + bytes(size))[: None if came is None else 5 + came]


def held(*frames: bytes, step: int = 1 << 20) -> int:
    inflow, sent = Inflow(), b"".join(frames)
    for at in range(0, len(sent), step):
        inflow.feed(sent[at : at + step])
    return inflow.held


@given(st.integers(1, 60))
def test_inflow_holds_incomplete_messages_only(step: int) -> None:
    frames = [
        frame(HEADERS, 1, bytes(20)),
        frame(DATA, 1, message(50)),
        frame(HEADERS, 3, bytes(20)),
        frame(DATA, 3, message(100, came=30)),
        frame(DATA, 5, message(10) + message(40, came=7)),
    ]
    assert held(*frames, step=step) == 37
    assert held(*frames, frame(DATA, 3, bytes(70)), step=step) == 7
    assert held(*frames, frame(DATA, 3, bytes(2), END_STREAM), frame(RST_STREAM, 5, bytes(4)), step=step) == 0


def test_inflow_holds_padded_data_until_the_call_ends() -> None:
    padded = frame(DATA, 1, b"\x02" + message(4) + b"\0\0", PADDED)
    assert held(padded) == 12
    assert held(padded, frame(DATA, 1, b"", END_STREAM)) == 0


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_inflow_takes_any_bytes(pieces: list[bytes]) -> None:
    inflow = Inflow()
    for piece in pieces:
        inflow.feed(piece)
        assert 0 <= inflow.held <= sum(map(len, pieces))


def test_counted_inflow_waits_for_room_and_returns_everything() -> None:
    admission = Admission(max_requests=1, max_bytes=100)
    inflow = CountedInflow(admission.arrive(lambda: None))
    assert inflow.feed(frame(DATA, 1, message(200, came=90)))
    assert admission.bytes_in_flight == 90
    assert not inflow.feed(frame(DATA, 1, bytes(20)))
    assert inflow.feed(frame(DATA, 1, bytes(90)))
    assert admission.bytes_in_flight == 0
    inflow.feed(frame(DATA, 3, message(60, came=50)))
    inflow.close()
    assert admission.bytes_in_flight == 0
