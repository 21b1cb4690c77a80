"""Reads the heads of gRPC calls before grpc does: its server ends for all clients at a method that is no text.

The gRPC protocol has ASCII in names and values, but for binary values, whose names end in ``-bin``. For each of the
others grpc logs a traceback.

https://www.rfc-editor.org/rfc/rfc9113#section-6.2 has the frames, RFC 7541 the compression, whose state is that of the
connection.
"""

from hpack import Decoder
from hpack.exceptions import HPACKError

from spanlake.edge.http2 import CONTINUATION, END_HEADERS, HEADERS, header_block

_LARGEST = 64 << 10  # bytes of a head with its continuations; grpc takes 16 KiB
_INDEXED = bytes(range(0x80, 0x100))
"""First bytes of fields that were sent before, with an index below 127: nothing of them is new."""


class Heads:
    """The heads of the calls of one connection."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._block = b""  # of a head that continues
        self._is_open = False
        self.is_refused = False
        """True where the connection must not be passed on."""

    def take(self, kind: int, flags: int, payload: bytes) -> None:
        """Read a frame of the kind HEADERS or CONTINUATION."""
        if self._is_open != (kind == CONTINUATION):
            self.is_refused = True
            return
        self._block += payload if kind == CONTINUATION else header_block(flags, payload)
        self._is_open = not flags & END_HEADERS
        self.is_refused |= len(self._block) > _LARGEST
        if not self._is_open:
            block, self._block = self._block, b""
            self.is_refused |= not self._is_text(block)

    def _is_text(self, block: bytes) -> bool:
        if not block.translate(None, _INDEXED):  # as most heads are after the first of a connection
            return True
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError:
            return False
        return all(name.isascii() and (value.isascii() or name.endswith(b"-bin")) for name, value in fields)


def is_head(kind: int) -> bool:
    """Return True for the frames that heads are made of."""
    return kind in (HEADERS, CONTINUATION)
