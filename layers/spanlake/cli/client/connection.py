"""Makes a client from options; invalid addresses and headers are reported before anything is sent."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from spanlake.cli.client.client import Client
from spanlake.cli.errors import InvalidOption
from spanlake.cli.printable import printable

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
