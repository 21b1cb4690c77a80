"""HTTP/1.1 on one connection: uvicorn's protocol, with limits and with tolerance for existing clients."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from spanlake.ingest.misdirected import TLS_ADVICE, MisdirectionLog

_HEAD_BYTES = 512 << 10  # request line and headers: an escaped query of 131,072 characters, and the rest
_LONGEST_URL = (64 << 10) - 1  # limit of httptools
_HALF_CLOSED_SECONDS = 1.0
"""Seconds for which a request continues after its client closed its side, as most of these clients are gone."""

_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"  # RFC 9113, 3.4
_TLS_HANDSHAKE = b"\x16\x03"  # RFC 8446, 5.1: the type and the version of a first record
_OFFER = (b"upgrade", b"http2-settings")
_HTTP_1_1_REQUIRED = 0x0D  # RFC 9113, 7


@dataclass(frozen=True, slots=True)
class Misdirected:
    """The advice and the log for clients that do not speak HTTP/1.1."""

    notices: MisdirectionLog
    grpc_advice: str = "this port speaks HTTP/1.1"  # where to send gRPC


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 with these differences from uvicorn's.

    - Request line and headers are limited, which uvicorn does not do with httptools. A query string may be longer than
      the URLs that httptools parses.
    - An offer to upgrade the connection is ignored, as RFC 9110, 7.8 allows. httptools takes the bytes after such a
      head for the other protocol: the head is parsed again without the offer.
    - A client that closes its sending side gets the answer to the requests it has sent.
    - HTTP/2 and TLS are distinguished from a malformed request, for the log and for the client.
    """

    misdirected: ClassVar[Misdirected]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._offers_upgrade = False
        self._is_first = True
        self._first = b""  # possibly the start of an HTTP/2 preface

    def data_received(self, data: bytes) -> None:
        if self._is_first:
            data = self._first + data
            if len(data) < len(_HTTP2_PREFACE) and _HTTP2_PREFACE.startswith(data):
                self._first = data
                return
            self._is_first = False
            if self._is_another_protocol(data):
                return
        if self._in_head:
            self._head_bytes += len(data)
        self._feed(data)
        if self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(
                f"request line and headers are larger than {_HEAD_BYTES >> 10} KiB: shorten the query\n"
            )

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offers_upgrade:
                self._parse_without_offer(data[upgrade.args[0] :])
            # Otherwise the request is CONNECT, which the application has refused.
        except httptools.HttpParserError as error:
            self.misdirected.notices.note(self._port, "request refused, not HTTP/1.1", reason=str(error)[:200])
            self.send_400_response("Invalid HTTP request received.")

    def _parse_without_offer(self, rest: bytes) -> None:
        """Parse the request with a new parser that does not see the offer, and then the bytes after it."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += (b"%b: %b" % header for header in _without_offer(self.headers))
        self._offers_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join([*lines, b"", rest]))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offers_upgrade = True
            return
        self._in_head = False
        self._head_bytes = 0
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

    def _hang_up(self, cycle: Any) -> None:
        if not cycle.response_started:
            self.transport.close()

    def _is_another_protocol(self, data: bytes) -> bool:
        """Answer a client that speaks HTTP/2 or TLS, and close the connection."""
        note, port = self.misdirected.notices.note, self._port
        if data.startswith(_HTTP2_PREFACE):
            advice = self.misdirected.grpc_advice
            note(port, "connection refused, gRPC sent to an HTTP port", reason=advice)
            self.transport.write(_goaway(f"this port speaks HTTP/1.1; {advice}"))
        elif data.startswith(_TLS_HANDSHAKE):
            note(port, "connection refused, TLS sent to a port without", reason=TLS_ADVICE)
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
