"""Decompression of what the Collector's exporters offer, and of what nobody should send."""

import resource
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.api.ingest.decompression import DECOMPRESSORS, OutputTooLarge

START = b"\xff\x06\x00\x00sNaPpY"


def chunk(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "little") + data


def block(data: bytes) -> bytes:
    return pa.compress(data, "snappy", asbytes=True)


def framed(*pieces: bytes) -> bytes:
    """Snappy's framing format; the pieces are compressed and plain by turns. Nobody looks at checksums."""
    chunks = [
        chunk(1, bytes(4) + piece) if number % 2 else chunk(0, bytes(4) + block(piece))
        for number, piece in enumerate(pieces)
    ]
    return START + b"".join(chunks)


def decompressed(coding: str, body: bytes, most: int = 1 << 30) -> bytes:
    return b"".join(DECOMPRESSORS[coding](body, most))


@pytest.mark.parametrize("coding", ["snappy", "x-snappy-framed"])
@given(pieces=st.lists(st.binary(max_size=300), max_size=5))
def test_snappy_framed_is_read_under_both_names(coding: str, pieces: list[bytes]) -> None:
    assert decompressed(coding, framed(*pieces)) == b"".join(pieces)


@given(data=st.binary(max_size=300))
def test_snappy_block_is_read(data: bytes) -> None:
    assert decompressed("snappy", block(data)) == data


@given(data=st.binary(max_size=300))
def test_lz4_frames_and_zlib_are_read(data: bytes) -> None:
    assert decompressed("lz4", pa.compress(data, "lz4", asbytes=True)) == data
    assert decompressed("zlib", zlib.compress(data)) == data


def test_snappy_framed_passes_over_what_it_may() -> None:
    body = START + chunk(0xFE, b"padding") + START + chunk(0x80, b"new") + chunk(1, bytes(4) + b"data")
    assert decompressed("snappy", body) == b"data"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("snappy", b""),
        ("snappy", b"\xff" * 40),
        ("snappy", block(b"abc" * 99)[:-1]),
        ("snappy", framed(b"abc")[:-1]),
        ("snappy", framed(b"abc") + b"\x01"),
        ("snappy", START + chunk(0x02, b"reserved")),
        ("snappy", START + chunk(0xFE, b"") * 5000),
        ("x-snappy-framed", block(b"abc")),
        ("x-snappy-framed", b""),
        ("lz4", b""),
        ("lz4", pa.compress(b"abc", "lz4", asbytes=True)[:-1]),
        ("lz4", pa.compress(b"abc", "lz4_raw", asbytes=True)),
        ("zlib", zlib.compress(b"abc")[:-1]),
    ],
)
def test_what_is_none_is_refused(coding: str, body: bytes) -> None:
    with pytest.raises((OSError, ValueError, zlib.error)):
        decompressed(coding, body)


def test_snappy_block_is_judged_by_the_size_that_it_claims() -> None:
    claims = b"\xff\xff\xff\xff\x0f" + b"\x00a"
    with pytest.raises(OutputTooLarge):
        decompressed("snappy", claims, most=1 << 20)


def test_snappy_chunk_holds_no_more_than_the_format_allows() -> None:
    with pytest.raises(OutputTooLarge):
        decompressed("snappy", START + chunk(0, bytes(4) + block(bytes((1 << 16) + 1))))


@pytest.mark.parametrize("coding", sorted(DECOMPRESSORS))
@given(body=st.binary(max_size=100))
def test_rubbish_is_refused_or_small(coding: str, body: bytes) -> None:
    size = 0
    try:
        for piece in DECOMPRESSORS[coding](body, 1000):
            size += len(piece)
    except (OutputTooLarge, OSError, ValueError, zlib.error):
        return
    assert size <= 1 << 20


@pytest.mark.parametrize("coding", ["gzip", "zstd", "lz4"])
def test_bodies_that_cannot_be_read_leave_no_memory_behind(coding: str) -> None:
    def refuse() -> None:
        with pytest.raises(OSError, match=r"decompress|inflate"):
            list(DECOMPRESSORS[coding](b"no compressed data" * 10_000, 1 << 20))

    refuse()
    before = virtual_memory()
    for _ in range(200):
        refuse()
    assert virtual_memory() - before < 50 << 20


def virtual_memory() -> int:
    """The bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
