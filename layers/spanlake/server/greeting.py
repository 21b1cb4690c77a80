"""The first lines of a server: a few for a person on a terminal, a record for each port elsewhere."""

import logging
import sys
from collections.abc import Iterable, Sequence
from textwrap import fill

from spanlake.server import ports
from spanlake.server.ports import Address, Port
from spanlake.settings.model import ClientSettings, Config
from spanlake.telemetry.logs import is_text

_log = logging.getLogger("spanlake")
_COLUMNS, _INDENT = 80, 11
_SENT_TO = ((ports.OTLP_GRPC, "OTLP gRPC"), (ports.OTLP_HTTP, "OTLP HTTP"), (ports.ZIPKIN, "Zipkin"))


def announce(config: Config, addresses: Sequence[Address], *, tls: bool) -> None:
    """Say where the server listens and where its data is, once it is ready."""
    if is_text(config.logs.format):
        sys.stderr.write(f"{greeting(config, addresses, tls=tls)}\n")
        sys.stderr.flush()
        return
    for where in addresses:
        _log.info("listening", extra={"serves": where.protocol.serves, "url": where.secure_url if tls else where.url})
    _log.info("ready", extra={"data": _place(config)})


def greeting(config: Config, addresses: Iterable[Address], *, tls: bool) -> str:
    """Return the lines for a person: send to, ask at, data in, stop with."""
    at = {where.protocol: where.authority for where in addresses}
    lines = (
        ("Send to", _senders(at)),
        ("Ask at", _asking(f"http{'s' if tls else ''}://{at[ports.QUERIES]}") if ports.QUERIES in at else ""),
        ("Data in", f"{_place(config)}, {_kept(config)}"),
        ("Stop with", "Ctrl-C"),
    )
    return "\n".join(_line(head, text) for head, text in lines if text)


def _line(head: str, text: str) -> str:
    """Lay out a text beside its head, so that it fits a terminal of 80 columns where no word is longer."""
    return fill(
        text,
        width=_COLUMNS,
        initial_indent=f"{head:<{_INDENT}}",
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _asking(url: str) -> str:
    """Say who asks at a URL, and how the commands find it where it is not their default."""
    command = "spanlake query '{}'"
    setting = "" if url == ClientSettings().url else f"SPANLAKE_URL={url} "
    return f"{url} (browser, Grafana), {setting}{command}"


def _senders(at: dict[Port, str]) -> str:
    named = [f"{at[port]} ({name})" for port, name in _SENT_TO if port in at]
    others = len(at.keys() & {*ports.SPANS_OVER_HTTP, *ports.GRPC, *ports.UDP} - {port for port, _ in _SENT_TO})
    return ", ".join(named) + (f" and {others} more ports" if others else "")


def _place(config: Config) -> str:
    return config.objects or str(config.data.resolve())


def _kept(config: Config) -> str:
    age = f"{config.retention.days} days" if config.retention else "any age"
    size = f", at most {config.retention_bytes / 10**9:g} GB" if config.retention_bytes and not config.objects else ""
    return f"kept {'for ' if config.retention else 'at '}{age}{size}"
