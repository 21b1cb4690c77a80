"""Files that may be compressed with gzip or zstd."""

from io import RawIOBase
from typing import BinaryIO, Literal

import pyarrow as pa

from spanlake.receivers.translation import MalformedFile
from spanlake.spans.arrow import pieces

ZSTD = b"\x28\xb5\x2f\xfd"
_CODECS: dict[bytes, Literal["gzip", "zstd"]] = {b"\x1f\x8b": "gzip", ZSTD: "zstd"}
_STEP = 1 << 20


class Stream:
    """A file's content, decompressed if it is compressed; read sequentially."""

    def __init__(self, file: BinaryIO) -> None:
        self._head = file.read(4)
        codec = next((codec for magic, codec in _CODECS.items() if self._head.startswith(magic)), None)
        self._file = file
        self._inflated = pa.CompressedInputStream(_Joined(self._head, file), codec) if codec else None
        if codec:
            self._head = b""

    def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes; empty at the end. Raises MalformedFile for damaged compressed data."""
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        if self._inflated is None:
            return self._file.read(size)
        try:
            return bytes(self._inflated.read_buffer(size))  # read() keeps its memory where it raises an error
        except OSError as error:
            raise MalformedFile(f"the compressed data cannot be read: {error}") from error


def decompressed(data: bytes, limit: int) -> bytes:
    """Return a zstd frame's content. Raises MalformedFile, also for more than ``limit`` bytes."""
    found, size = [], 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            for piece in pieces(stream, _STEP):
                size += len(piece)
                if size > limit:
                    raise MalformedFile(f"a compressed message becomes larger than {limit} bytes")
                found.append(piece)
    except OSError as error:
        raise MalformedFile(f"a compressed message cannot be read: {error}") from error
    return b"".join(found)


class _Joined(RawIOBase):
    """A file whose first bytes have been read already, as a file object for Arrow."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        """Return True: the file can be read, and nothing else."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes; empty at the end."""
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._file.read(size)
