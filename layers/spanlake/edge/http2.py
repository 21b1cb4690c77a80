"""The part of HTTP/2 (RFC 9113) and its header compression (RFC 7541) that is needed to refuse a gRPC call."""

import asyncio
from collections.abc import Callable, Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_FRAME = 1 << 14  # unless the peer allows more, which grpc does not
FRAME_HEAD = 9  # bytes of a frame before its payload

DATA, HEADERS, RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
_ACK = END_STREAM = 0x01
END_HEADERS, PADDED, PRIORITY = 0x04, 0x08, 0x20
_PRIORITY_BYTES = 5

# Literals of header compression, as text and in Huffman's code. None of them is in the static table, so that they are
# literals in the first header block of a connection.
_NAMES = (b"\x0dgrpc-encoding", bytes.fromhex("8a9acac8b16a21e435537f"))
_KNOWN = (
    *(b"\x08identity", b"\x04gzip", b"\x07deflate"),
    *(bytes.fromhex(code) for code in ("863485a9264faf", "839bd9ab", "8590b2d03497")),
)
_NAMED = {bytes.fromhex("83f684c9"): "'zstd'", bytes.fromhex("854543aebf5f"): "'snappy'"}
_UNIMPLEMENTED = 12


def frames(data: "bytes | bytearray") -> Iterator[tuple[int, int, int, bytes, int]]:
    """Yield the complete frames: type, flags, stream, payload, and the start of the next frame."""
    at = 0
    while len(data) >= at + FRAME_HEAD:
        end = at + FRAME_HEAD + int.from_bytes(data[at : at + 3])
        if end > len(data):
            return
        stream = int.from_bytes(data[at + 5 : at + FRAME_HEAD]) & 0x7FFFFFFF
        yield data[at + 3], data[at + 4], stream, bytes(data[at + FRAME_HEAD : end]), end
        at = end


def first_headers(data: "bytes | bytearray") -> tuple[int, bytes | None]:
    """Find the first HEADERS frame.

    Returns its start and its header block. Without a complete one, returns the start of the first incomplete frame, and
    None. Of a block that continues in another frame, which is larger than 16 KiB, only the part in the first frame is
    returned.
    """
    at = 0
    for kind, flags, _, payload, end in frames(data):
        if kind == HEADERS:
            return at, header_block(flags, payload)
        at = end
    return at, None


def header_block(flags: int, payload: bytes) -> bytes:
    """Return the part of a HEADERS frame that is compressed."""
    padding = payload[0] if flags & PADDED and payload else 0
    before = (1 if flags & PADDED else 0) + (_PRIORITY_BYTES if flags & PRIORITY else 0)
    return payload[before : max(len(payload) - padding, before)]


def unknown_encoding(block: bytes) -> str | None:
    """Find the grpc-encoding in the first header block of a connection; None without one, or when grpc supports it."""
    for name in _NAMES:
        _, found, value = block.partition(name)
        if found and value:
            literal = value[: 1 + (value[0] & 0x7F)]
            return None if literal in _KNOWN else _NAMED.get(literal, _text(literal))
    return None


def _text(literal: bytes) -> str:
    is_coded = literal[0] & 0x80
    return "of this kind" if is_coded else repr(literal[1:41].decode("latin-1"))


class Refusing(asyncio.Protocol):
    """A connection on which every further call is answered with UNIMPLEMENTED and the supported encodings."""

    def __init__(self, transport: asyncio.Transport, reason: str, lost: Callable[[], None]) -> None:
        """``lost`` is called when the connection has ended."""
        self._transport = transport
        self._lost = lost
        self._answer = _answer(reason)
        self._held = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer the frames that have arrived."""
        self._held += data
        at = 0
        for kind, flags, stream, payload, end in frames(self._held):
            self._take(kind, flags, stream, payload)
            at = end
        del self._held[:at]
        if len(self._held) > LARGEST_FRAME + FRAME_HEAD:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Call ``lost``."""
        self._lost()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        write = self._transport.write
        if kind == HEADERS:
            write(_frame(HEADERS, END_HEADERS | END_STREAM, stream, self._answer))
            write(_frame(RST_STREAM, 0, stream, bytes(4)))  # NO_ERROR: the rest of the call is not needed
        elif kind == DATA and payload:
            write(_frame(_WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4)))
        elif kind in (_PING, _SETTINGS) and not flags & _ACK:
            write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))


def _answer(reason: str) -> bytes:
    """Encode a header block that is the whole answer (gRPC over HTTP/2, Trailers-Only)."""
    fields = {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": str(_UNIMPLEMENTED),
        "grpc-message": reason,
        "grpc-accept-encoding": "identity, deflate, gzip",
    }
    return b"".join(b"\x00" + _string(name) + _string(value) for name, value in fields.items())


def _string(text: str) -> bytes:
    """Encode a literal shorter than 127 bytes."""
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
