"""HTTP/1.1 on one connection: uvicorn's protocol, with limits and with tolerance for existing clients."""

import asyncio
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from spanlake.edge.connections import ConnectionLimit, SteadyTransport, UnreadAnswers
from spanlake.ingest.misdirected import TLS_ADVICE, MisdirectionLog, Notice

_HEAD_BYTES = 512 << 10  # request line and headers: an escaped query of 131,072 characters, and the rest
_MOST_HEADERS = 256
_FRAMING_BYTES = 256 << 10  # of chunk sizes, their extensions and trailers, beside as many as the body has
_LONGEST_URL = (64 << 10) - 1  # limit of httptools
_HALF_CLOSED_SECONDS = 1.0
"""Seconds for which a request continues after its client closed its side, as most of these clients are gone."""

_HEAD_SECONDS = 30.0  # in which a request's head has to arrive
_MOST_PIPELINED = 64  # requests that wait for the answer to an earlier request on their connection
_NO_PLACE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: 42\r\n\r\nthere are too many connections: try again\n\n"
)

_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"  # RFC 9113, 3.4
_TLS_HANDSHAKE = b"\x16\x03"  # RFC 8446, 5.1: the type and the version of a first record
_OFFER = (b"upgrade", b"http2-settings")
_HTTP_1_1_REQUIRED = 0x0D  # RFC 9113, 7


@dataclass(frozen=True, slots=True)
class Misdirected:
    """The advice and the log for clients that do not speak HTTP/1.1."""

    notices: MisdirectionLog
    grpc_advice: str = "this port speaks HTTP/1.1"  # where to send gRPC


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """Bounds that the connections of a process share."""

    places: ConnectionLimit = field(default_factory=ConnectionLimit.of_process)
    unread: UnreadAnswers = field(default_factory=UnreadAnswers)
    body_seconds: float = 75.0  # in which a request's body has to arrive


class _Flow(FlowControl):
    """Flow control that reads nothing while a request waits for the answer to an earlier request.

    uvicorn's reads on when the earlier request asks for its body.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with these differences from uvicorn's.

    - Request line and headers are limited, which uvicorn does not do with httptools. A query string may be longer than
      the URLs that httptools parses.
    - An offer to upgrade the connection is ignored, as RFC 9110, 7.8 allows. httptools takes the bytes after such a
      head for the other protocol: the head is parsed again without the offer.
    - A client that closes its sending side gets the answer to the requests it has sent.
    - HTTP/2 and TLS are distinguished from a malformed request, for the log and for the client.
    - The number of connections is limited, and the time in which heads and bodies arrive and answers are read.
    """

    misdirected: ClassVar[Misdirected]
    bounds: ClassVar[ConnectionBounds]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._framing = 0  # bytes of a request that came after its head, less those of its body and as many again
        self._offers_upgrade = False
        self._is_first = True
        self._first = b""  # possibly the start of an HTTP/2 preface
        self._arriving: asyncio.TimerHandle | None = None  # limits the time of a head or a body
        self._place: str | None = None  # the client's address, when the connection has a place

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport = cast("asyncio.Transport", SteadyTransport(transport))
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if not self.bounds.places.enter(address):
            transport.write(_NO_PLACE)
            transport.close()
            return
        self._place = address
        self.flow = _Flow(transport, self.pipeline)
        self._arriving = self.loop.call_later(_HEAD_SECONDS, self._end_late)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._place is not None:
            self.bounds.places.leave(self._place)
        self.bounds.unread.remove(self.transport)
        self._has_arrived()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.bounds.unread.add(self.transport)

    def resume_writing(self) -> None:
        self.bounds.unread.remove(self.transport)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._place is None:
            return
        if self._is_first:
            data = self._first + data
            if self._is_undecided(data) or self._is_another_protocol(data):
                return
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._framing += len(data)
        self._feed(data)
        if self._arriving is None and (self._head_bytes or not self._in_head):
            seconds = _HEAD_SECONDS if self._in_head else self.bounds.body_seconds
            self._arriving = self.loop.call_later(seconds, self._end_late)
        if len(self.pipeline) > _MOST_PIPELINED:
            self.transport.abort()
        if self._head_bytes > _HEAD_BYTES or self._framing > _FRAMING_BYTES:
            self._refuse_large()

    def _is_undecided(self, data: bytes) -> bool:
        """Keep the first bytes, and return True, while they may still become the preface of HTTP/2."""
        self._is_first = len(data) < len(_HTTP2_PREFACE) and _HTTP2_PREFACE.startswith(data)
        self._first = data if self._is_first else b""
        return self._is_first

    def _refuse_large(self) -> None:
        """Answer heads and framing that are too large."""
        if self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(
                f"request line and headers are larger than {_HEAD_BYTES >> 10} KiB: shorten the query\n"
            )
        elif self._framing > _FRAMING_BYTES and not self._in_head and not self.transport.is_closing():
            self.send_400_response(f"chunk sizes and trailers are larger than {_FRAMING_BYTES >> 10} KiB\n")

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offers_upgrade:
                self._parse_without_offer(data[upgrade.args[0] :])
            # Otherwise the request is CONNECT, which the application has refused.
        except httptools.HttpParserError as error:
            self.misdirected.notices.note(self._port, Notice.NOT_HTTP, reason=str(error)[:200])
            self.send_400_response("Invalid HTTP request received.")

    def _parse_without_offer(self, rest: bytes) -> None:
        """Parse the request with a new parser that does not see the offer, and then the bytes after it."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += (b"%b: %b" % header for header in _without_offer(self.headers))
        self._offers_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join([*lines, b"", rest]))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are passed over
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._framing -= 2 * len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offers_upgrade = True
            return
        if len(self.headers) > _MOST_HEADERS:
            raise ValueError(f"it has more than {_MOST_HEADERS} headers")  # the parser stops, and the client gets 400
        self._in_head = False
        self._head_bytes = self._framing = 0
        self._has_arrived()
        if len(self.url) <= _LONGEST_URL:
            super().on_headers_complete()
            return
        self.url, _, query = self.url.partition(b"?")
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]  # read by the application's task, which starts later

    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            return
        self._in_head = True
        self._has_arrived()
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's closes the connection
        """Keep the connection for the answer to a complete request."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        if cycle.scope["method"] in ("GET", "HEAD"):
            self.loop.call_later(_HALF_CLOSED_SECONDS, self._hang_up, cycle)
        return True

    @property
    def _port(self) -> int:
        """The server's port."""
        _, port = self.server or ("", None)
        return port or 0

    def _has_arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _end_late(self) -> None:
        """End a connection whose request does not arrive, unless it is not being read."""
        if self.flow.read_paused:
            self._arriving = self.loop.call_later(_HEAD_SECONDS, self._end_late)
            return
        self._arriving = None
        self.transport.close()

    def _hang_up(self, cycle: Any) -> None:
        if not cycle.response_started:
            self.transport.close()

    def _is_another_protocol(self, data: bytes) -> bool:
        """Answer a client that speaks HTTP/2 or TLS, and close the connection."""
        note, port = self.misdirected.notices.note, self._port
        if data.startswith(_HTTP2_PREFACE):
            advice = self.misdirected.grpc_advice
            note(port, Notice.GRPC, reason=advice)
            self.transport.write(_goaway(f"this port speaks HTTP/1.1; {advice}"))
        elif data.startswith(_TLS_HANDSHAKE):
            note(port, Notice.TLS, reason=TLS_ADVICE)
        else:
            return False
        self.transport.close()
        return True


def _without_offer(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            options = (option.strip() for option in value.split(b","))
            value = b", ".join(option for option in options if option.lower() not in _OFFER)  # noqa: PLW2901
        if name not in _OFFER:
            yield name, value


def _goaway(reason: str) -> bytes:
    """Encode the frames with which an HTTP/2 server refuses a connection: SETTINGS, and GOAWAY with a reason."""
    payload = bytes(4) + _HTTP_1_1_REQUIRED.to_bytes(4) + reason.encode()
    return _frame(0x04, b"") + _frame(0x07, payload)


def _frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, 0]) + bytes(4) + payload
