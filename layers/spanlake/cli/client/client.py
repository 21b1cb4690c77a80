"""An HTTP client of the Tempo API with limits on time and size."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from ipaddress import ip_address
from ssl import SSLCertVerificationError, SSLError
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from spanlake.cli.client.api import JSON
from spanlake.cli.client.refusals import refused
from spanlake.cli.errors import InvalidOption, Unreachable
from spanlake.cli.printable import printable

MAX_ANSWER_BYTES = 256 << 20
_MAX_ERROR_BYTES = 64 << 10
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Client:
    """A server with its address, headers and limits."""

    url: str  # without a trailing slash
    headers: Mapping[str, str]
    timeout_seconds: float  # from the request to the end of the answer
    max_bytes: int = MAX_ANSWER_BYTES

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> bytes:
        """Return the body of a successful answer; raises Refused for any other answer, Unreachable without one."""
        query = f"?{urlencode(params)}" if params else ""
        return self._ask(f"{self.url}{path}", query, {"Accept": accept})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send a body; everything else is as for ``get``."""
        return self._ask(f"{self.url}{path}", "", headers, body)

    def delete(self, path: str) -> None:
        """Send DELETE; everything else is as for ``get``."""
        self._ask(f"{self.url}{path}", "", {"Accept": JSON}, method="DELETE")

    def _ask(
        self, address: str, query: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None
    ) -> bytes:
        deadline = time.monotonic() + self.timeout_seconds
        sent = {"User-Agent": "spanlake", **headers, **self.headers}
        request = Request(address + query, body, sent, method=method)  # noqa: S310
        try:
            with self._opener().open(request, timeout=self.timeout_seconds) as answer:
                return self._body(answer, deadline)
        except HTTPError as error:
            with error:
                raise refused(error.code, error.headers.get("Location"), _error_body(error), address) from None
        except (OSError, HTTPException, UnicodeError) as error:
            raise self._unreachable(error) from None

    def _body(self, answer: HTTPResponse, deadline: float) -> bytes:
        body = bytearray()
        while chunk := answer.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > self.max_bytes:
                raise Unreachable(
                    f"the answer is larger than {self.max_bytes >> 20} MiB: narrow the time range or lower the limits"
                )
            if time.monotonic() > deadline:
                raise TimeoutError
        if answer.length:
            raise Unreachable(f"{self.url} closed the connection before the end of its answer")
        return bytes(body)

    def _opener(self) -> OpenerDirector:
        proxies = ProxyHandler({}) if _is_this_machine(self.url) else ProxyHandler()
        return build_opener(proxies, HTTPHandler(), HTTPSHandler(), _NoRedirect())

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return Unreachable(
                f"{self.url} has not answered within {self.timeout_seconds:g} s: "
                "narrow the time range, or allow more with --timeout"
            )
        if isinstance(reason, ConnectionRefusedError):
            return Unreachable(
                f"no server at {self.url}: start one with `spanlake serve`, or name another with --url or SPANLAKE_URL"
            )
        return Unreachable(f"no answer from {self.url}: {_reason(reason)}{self._scheme_advice(reason)}")

    def _scheme_advice(self, reason: object) -> str:
        """Name the other scheme where the error is one of those by which the wrong one shows."""
        if isinstance(reason, SSLCertVerificationError) or not isinstance(reason, SSLError | RemoteDisconnected):
            return ""
        return f"; is it {'http' if self.url.startswith('https:') else 'https'}:// there?"


class _NoRedirect(HTTPRedirectHandler):
    """A handler that follows no redirect: it would send the headers, including tokens, to a host that nobody named."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str) -> None:  # noqa: ARG002
        return None


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _error_body(error: HTTPError) -> bytes:
    try:
        return error.read(_MAX_ERROR_BYTES)
    except (OSError, HTTPException):
        return b""


def _reason(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text or type(error).__name__)[:200]


_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)


def connect(url: str, tenant: str, headers: Iterable[str], timeout_seconds: float) -> Client:
    """Make a client of the server at ``url``; raises InvalidOption."""
    sent = dict(_header(line) for line in headers)
    if tenant:
        sent["X-Scope-OrgID"] = _value("tenant", tenant)
    return Client(base_url(url), sent, timeout_seconds)


def base_url(url: str) -> str:
    """Validate the address that API paths are appended to, and cut off its trailing slash; raises InvalidOption.

    It may have a path, as Grafana's data source proxy has.
    """
    shown = printable(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidOption(f"invalid --url {shown}: {error}") from None
    if parts.scheme not in {"http", "https"} or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidOption(f"invalid --url {shown}: write it as in http://127.0.0.1:3200")
    if parts.username is not None:
        raise InvalidOption("invalid --url: give credentials with --header 'Authorization: …', not in the address")
    if parts.query or parts.fragment:
        raise InvalidOption(f"invalid --url {shown}: it must not have ? or #, the commands add their own")
    return url.rstrip("/")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _NAME.fullmatch(name):
        # Not shown whole: it may contain a secret.
        raise InvalidOption("invalid --header: write it as in 'Authorization: Bearer …'")
    return name, _value(f"value of header {name}", value.strip())


def _value(what: str, text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise InvalidOption(f"invalid {what}: it has characters that a header cannot carry")
    return text
