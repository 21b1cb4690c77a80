"""Receives datagrams of Jaeger's clients, which are stored but never answered."""

import asyncio
import socket
import struct
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from spanlake.ingest.admission import Admission, Reservation
from spanlake.ingest.errors import Overloaded, RateLimited
from spanlake.ingest.misdirected import Notice
from spanlake.ingest.request import Format, Receipt
from spanlake.ingest.service import Ingest, reason_of
from spanlake.receivers.jaeger import thrift
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.tenant import DEFAULT_TENANT

COMPACT = Format("jaeger-compact", thrift.compact_calls)
BINARY = Format("jaeger-binary", thrift.binary_calls)

_WAITING_SHARE = 0.5  # of the bytes in flight; what is beyond stays for requests whose senders get an answer
_WAITING_BYTES = 2048  # of memory that a datagram takes besides its own until it is stored
_AT_ONCE = 256  # datagrams that are read before other tasks run
_LONGEST = 1 << 16
_PAUSE_SECONDS = 0.01
_SO_RCVBUFFORCE = 33  # missing from socket(7)'s Python names: a buffer beyond net.core.rmem_max, with CAP_NET_ADMIN
_MOST_BUFFER = (1 << 30) - 1  # bytes; the kernel doubles the number, which has to fit into an int
_SO_MEMINFO = 55  # missing from socket(7); see <asm-generic/socket.h>, and <linux/sock_diag.h> for its content
_MEMINFO = struct.Struct("9I")


class UdpReceiver:
    """A reader of one socket. Each datagram counts as a request of its format, with its outcome as the code.

    Datagrams have no place for credentials: they belong to one tenant, which an operator chooses.

    A datagram takes bytes of the admission and no place of a request, as thousands of them arrive together. While they
    take half of the bytes nothing is read, so that datagrams wait in the kernel's buffer.
    """

    def __init__(self, ingest: Ingest, format_: Format, listener: socket.socket, tenant: str = DEFAULT_TENANT) -> None:
        self._ingest = ingest
        self._tenant = tenant
        self._format = format_
        self._socket = listener
        self._port: int = listener.getsockname()[1]
        self._resume: asyncio.TimerHandle | None = None
        self._dropped_before = self._dropped_since = 0

    @property
    def protocol(self) -> str:
        """The protocol's name in metrics."""
        return self._format.name

    def dropped(self) -> int:
        """Return the number of datagrams that the kernel has dropped since the start because its buffer was full."""
        if self._socket.fileno() >= 0:
            self._dropped_since = _dropped(self._socket) - self._dropped_before
        return self._dropped_since

    def start(self) -> None:
        """Read from now on, in the running event loop."""
        self._socket.setblocking(False)
        _buffer(self._socket, self._ingest.limits.udp_buffer_bytes)
        self._dropped_before = _dropped(self._socket)
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def stop(self) -> None:
        """Read the datagrams that have arrived, as far as the admission limit allows, then stop.

        They will still be stored.
        """
        if self._resume is not None:
            self._resume.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        with suppress(Overloaded):  # there is no time left to wait for admission
            while self._read_some():
                continue
        self.dropped()
        self._socket.close()

    def _read(self) -> None:
        try:
            self._read_some()
        except Overloaded:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            self._resume = loop.call_later(_PAUSE_SECONDS, loop.add_reader, self._socket, self._read)

    def _read_some(self) -> bool:
        """Read some datagrams; returns True if there may be more. Raises Overloaded."""
        for _ in range(_AT_ONCE):
            place = Reservation(self._admission())
            try:
                place.reserve(_LONGEST + _WAITING_BYTES)
                datagram = self._socket.recv(_LONGEST)
                place.shrink(_LONGEST - len(datagram))
                self._store(datagram, place)
            except BlockingIOError:
                place.close()
                return False
            except RateLimited:  # nobody can be told
                place.close()
                self._ingest.metrics.request(self._format.name, "rate_limited")
            except BaseException:
                place.close()
                raise
        return True

    def _admission(self) -> Admission:
        admission, limits = self._ingest.admission, self._ingest.limits
        if admission.bytes_in_flight > _WAITING_SHARE * limits.flight_bytes:
            raise Overloaded("datagrams wait until others are stored")
        return admission

    def _store(self, datagram: bytes, place: Reservation) -> None:
        self._ingest.check_rate(self._tenant, len(datagram))
        try:
            answer = self._ingest.submit(self._tenant, datagram, self._format)
        except RateLimited as error:
            self._ingest.metrics.refused_bytes(self._tenant, reason_of(error), len(datagram))
            raise
        answer.add_done_callback(self._stored(place, len(datagram)))

    def _stored(self, place: Reservation, size: int) -> "Callable[[Future[Receipt]], None]":
        def count(answer: "Future[Receipt]") -> None:
            place.close()
            if (error := answer.exception()) is not None:
                self._ingest.metrics.refused_bytes(self._tenant, reason_of(error), size)
            self._ingest.metrics.request(self._format.name, self._code(answer))

        return count

    def _code(self, answer: "Future[Receipt]") -> str:
        """Return the outcome of a datagram, as metrics label it, and log its error."""
        error, notices = answer.exception(), self._ingest.notices
        if isinstance(error, MalformedRequest):
            notices.note(self._port, Notice.MALFORMED_DATAGRAM, reason=str(error))
            return "malformed"
        if error is not None:
            return "failed"
        receipt = answer.result()
        return "stored" if receipt.accepted or not receipt.rejected else "malformed"


def _buffer(listener: socket.socket, size: int) -> None:
    """Have the kernel buffer as many bytes of datagrams, or as many as it allows."""
    size = min(size, _MOST_BUFFER)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def _dropped(listener: socket.socket) -> int:
    """Return the kernel's count since the socket was made; 0 where the system does not report it."""
    try:
        return int(_MEMINFO.unpack(listener.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1])
    except (OSError, struct.error):
        return 0
