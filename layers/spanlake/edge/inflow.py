"""Follows the frames of a gRPC connection that pass the relay: counts what has come of messages, and reads heads.

grpc's core holds a message until it is whole. Only complete messages reach our code, so that nothing else knows how
much memory the others take.
"""

from collections.abc import Callable
from dataclasses import dataclass

from spanlake.edge.heads import Heads, is_head
from spanlake.edge.http2 import DATA, END_STREAM, FRAME_HEAD, LARGEST_FRAME, PADDED, RST_STREAM
from spanlake.ingest.admission import Arrival
from spanlake.ingest.errors import Overloaded

_PREFIX = 5  # bytes before a message: whether it is compressed, and its length
_STREAMS = 4096  # with incomplete messages, of one connection


@dataclass(slots=True)
class _Stream:
    """The message of a call that has arrived in part."""

    held: int = 0
    """Bytes of the message that have come."""
    missing: int = 0
    """Bytes of the message that have not come."""
    prefix: bytes = b""
    """The part of the next message's prefix that has come."""
    is_opaque: bool = False
    """True where the ends of messages are not known: everything is held until the call ends."""

    def take(self, data: bytes) -> None:
        """Follow the messages in this data."""
        if self.is_opaque:
            self.held += len(data)
            return
        at = 0
        while at < len(data):
            if not self.missing:
                at = self._take_prefix(data, at)
                continue
            came = min(self.missing, len(data) - at)
            self.missing -= came
            self.held = self.held + came if self.missing else 0
            at += came

    def _take_prefix(self, data: bytes, at: int) -> int:
        end = at + _PREFIX - len(self.prefix)
        self.prefix += data[at:end]
        if len(self.prefix) == _PREFIX:
            self.missing = int.from_bytes(self.prefix[1:])
            self.prefix = b""
        return end


class Inflow:
    """The incomplete messages of one connection."""

    def __init__(self) -> None:
        self.held = 0
        """Bytes of all incomplete messages."""
        self._streams: dict[int, _Stream] = {}
        self._head = b""  # the part of a frame's head that has come
        self._missing = 0  # bytes of the current frame that have not come
        self._stream = -1  # of the current frame when it is DATA
        self._heads = Heads()
        self._head_frame: tuple[int, int] | None = None  # kind and flags of the current frame when it is of a head
        self._payload = b""  # the part of that frame that has come

    def feed(self, data: bytes) -> None:
        """Follow the frames in this data; it begins after the connection's preface."""
        at, end = 0, len(data)
        while at < end:
            if not self._missing:
                at = self._begin(data, at)
                continue
            size = min(self._missing, end - at)
            self._missing -= size
            if self._stream >= 0:
                self._take(data[at : at + size])
            elif self._head_frame is not None:
                self._take_head(data[at : at + size])
            at += size

    @property
    def is_excessive(self) -> bool:
        """True where more calls are incomplete than any client makes."""
        return len(self._streams) > _STREAMS

    @property
    def is_refused(self) -> bool:
        """True where grpc must not see what has come."""
        return self._heads.is_refused

    def _begin(self, data: bytes, at: int) -> int:
        """Read what is before a frame's payload; returns its end."""
        end = at + FRAME_HEAD - len(self._head)
        head = self._head + data[at:end] if self._head else data[at:end]
        if len(head) < FRAME_HEAD:
            self._head = head
            return end
        self._head = b""
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:]) & 0x7FFFFFFF
        self._missing = int.from_bytes(head[:3])
        self._stream, self._head_frame = -1, None
        if is_head(kind):
            self._begin_head(kind, flags)
        elif kind == RST_STREAM or (kind == DATA and flags & END_STREAM):  # such data completes the last message
            self._end(stream)
        elif kind == DATA:
            self._stream = stream
            if flags & PADDED:
                self._streams.setdefault(stream, _Stream()).is_opaque = True
        return end

    def _begin_head(self, kind: int, flags: int) -> None:
        if self._missing > LARGEST_FRAME:  # grpc takes none of these
            self._heads.is_refused = True
            return
        self._head_frame = kind, flags
        self._take_head(b"")

    def _take_head(self, data: bytes) -> None:
        if self._head_frame is None:
            return
        self._payload += data
        if not self._missing:
            payload, self._payload = self._payload, b""
            self._heads.take(*self._head_frame, payload)

    def _take(self, data: bytes) -> None:
        stream = self._streams.get(self._stream) or _Stream()
        before = stream.held
        stream.take(data)
        self.held += stream.held - before
        if stream.missing or stream.prefix or stream.is_opaque:
            self._streams[self._stream] = stream
        else:
            self._streams.pop(self._stream, None)

    def _end(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self.held -= stream.held


class CountedInflow:
    """An inflow whose bytes are reserved; it pauses the client when there is no room."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._inflow = Inflow()

    def feed(self, data: bytes) -> bool:
        """Count this data; returns False when there is no room for it yet."""
        self._inflow.feed(data)
        return self.settle()

    @property
    def is_refused(self) -> bool:
        """True where grpc must not see what has come."""
        return self._inflow.is_refused

    @property
    def is_excessive(self) -> bool:
        """True where the connection has to be closed."""
        return self._arrival.is_lost or self._inflow.is_excessive

    def settle(self) -> bool:
        """Reserve what is held; returns False when there is no room for it yet."""
        change = self._inflow.held - self._arrival.held
        if change < 0:
            self._arrival.shrink(-change)
        elif change > 0:
            try:
                self._arrival.reserve(change)
            except Overloaded:
                return False
        return True

    def close(self) -> None:
        """Return everything."""
        self._arrival.close()


Arrive = Callable[[Callable[[], object]], Arrival]
"""Makes a reservation; see ``Admission.arrive``."""
