"""Reading and decompressing bodies: whatever a client does, no more is held than it was given room for."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.api.ingest.bodies import decompress, decompressor, read_body
from spanlake.api.ingest.errors import BodyTooLarge, ClientGone, MalformedBody, UnsupportedEncoding
from spanlake.ingest.admission import Admission
from spanlake.ingest.errors import Overloaded

Message = MutableMapping[str, Any]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "zlib": zlib.compress,
    "snappy": lambda data: pa.compress(data, "snappy", asbytes=True),
    "lz4": lambda data: pa.compress(data, "lz4", asbytes=True),
}


def room(size: int = 1 << 30) -> Admission:
    return Admission(max_requests=10, max_bytes=size)


def read(messages: list[Message], admission: Admission, *, limit: int = 1000) -> bytes:
    """Read a body that comes as these messages, and then nothing more."""

    async def receive() -> Message:
        if not messages:
            await asyncio.sleep(3600)
        return messages.pop(0)

    async def run() -> bytes:
        with admission.admit() as place:
            return await read_body(receive, place, limit=limit)

    return asyncio.run(run())


def chunks(*bodies: bytes) -> list[Message]:
    return [
        {"type": "http.request", "body": body, "more_body": number < len(bodies)}
        for number, body in enumerate(bodies, 1)
    ]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=10))
def test_chunks_are_put_together(bodies: list[bytes]) -> None:
    assert read(chunks(*bodies), room()) == b"".join(bodies)


def test_a_body_without_anything() -> None:
    assert read([{"type": "http.request"}], room()) == b""


def test_reading_stops_at_the_limit() -> None:
    messages = chunks(bytes(600), bytes(400), bytes(1), bytes(9))
    with pytest.raises(BodyTooLarge, match="1000 bytes"):
        read(messages, room())
    assert len(messages) == 1


def test_reading_stops_when_there_is_no_room() -> None:
    admission = room(700)
    messages = chunks(bytes(600), bytes(400), bytes(9))
    with pytest.raises(Overloaded):
        read(messages, admission)
    assert len(messages) == 1
    assert admission.bytes_in_flight == 0


def test_a_client_may_hang_up() -> None:
    with pytest.raises(ClientGone):
        read([*chunks(b"x", b"y")[:1], {"type": "http.disconnect"}], room())


def inflate(coding: str, body: bytes, admission: Admission, limit: int = 1 << 30) -> bytes:
    undo = decompressor(coding)
    assert undo is not None
    with admission.admit() as place:
        place.reserve(len(body))
        return decompress(body, undo, place, limit=limit)


@pytest.mark.parametrize("coding", COMPRESS)
@given(data=st.binary(max_size=3000))
def test_what_was_compressed_comes_back(coding: str, data: bytes) -> None:
    assert inflate(coding, COMPRESS[coding](data), room()) == data


@pytest.mark.parametrize("coding", COMPRESS)
@given(body=st.binary(max_size=100))
def test_rubbish_is_refused_or_small(coding: str, body: bytes) -> None:
    with suppress(MalformedBody, BodyTooLarge):
        assert len(inflate(coding, body, room(), limit=1000)) <= 1000


@pytest.mark.parametrize("coding", COMPRESS)
def test_the_limit_holds_after_decompression(coding: str) -> None:
    body = COMPRESS[coding](bytes(10_000_000))
    assert len(inflate(coding, body, room(), limit=10_000_000)) == 10_000_000
    with pytest.raises(BodyTooLarge):
        inflate(coding, body, room(), limit=9_999_999)


@pytest.mark.parametrize("coding", COMPRESS)
def test_so_does_the_room(coding: str) -> None:
    admission = room(5_000_000)
    with pytest.raises(Overloaded):
        inflate(coding, COMPRESS[coding](bytes(10_000_000)), admission)
    assert admission.bytes_in_flight == 0


def test_the_compressed_body_gives_up_its_room() -> None:
    body = gzip.compress(bytes(5000))
    admission = room()
    with admission.admit() as place:
        place.reserve(len(body))
        undo = decompressor("gzip")
        assert undo is not None
        decompress(body, undo, place, limit=5000)
        assert admission.bytes_in_flight == 5000


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_nothing_to_undo(coding: str) -> None:
    assert decompressor(coding) is None


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip;q=1", "xyz", "\N{SNOWMAN}" * 1000])
def test_codings_that_are_not_known(coding: str) -> None:
    with pytest.raises(UnsupportedEncoding) as refused:
        decompressor(coding)
    assert len(str(refused.value)) < 200
