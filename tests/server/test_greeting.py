"""The first lines of a server on a terminal."""

import sys
from pathlib import Path

import pytest

from spanlake.server.greeting import announce, greeting
from spanlake.server.ports import ALL, addresses
from spanlake.settings.kinds import NAMES
from spanlake.settings.model import Config
from tests.patches import StreamHere


def lines(config: Config, *, tls: bool = False) -> list[str]:
    return greeting(config, addresses(config, ALL), tls=tls).splitlines()


def test_greeting_says_where_to_send_to_ask_and_to_look() -> None:
    assert lines(Config(data=Path("/data"))) == [
        "Send to    127.0.0.1:4317 (OTLP gRPC), 127.0.0.1:4318 (OTLP HTTP),",
        "           127.0.0.1:9411 (Zipkin) and 5 more ports",
        "Ask at     http://127.0.0.1:3200 (browser, Grafana), spanlake query '{}'",
        "Data in    /data, kept at any age, at most 50 GB",
        "Stop with  Ctrl-C",
    ]


@pytest.mark.parametrize("offset", [0, 1, 10_000])
def test_greeting_fits_80_columns(offset: int) -> None:
    assert max(map(len, lines(Config(data=Path("/var/lib/spanlake"), port_offset=offset)))) <= 80


def test_greeting_names_what_is_set(tmp_path: Path) -> None:
    config = Config(objects="s3://bucket/lake", port_offset=10, closed_ports=NAMES.parse("jaeger,zipkin,opencensus"))
    send, ask, command, data, _ = lines(config, tls=True)
    assert send == "Send to    127.0.0.1:4327 (OTLP gRPC), 127.0.0.1:4328 (OTLP HTTP)"
    assert ask == "Ask at     https://127.0.0.1:3210 (browser, Grafana),"
    assert command.strip() == "SPANLAKE_URL=https://127.0.0.1:3210 spanlake query '{}'"
    assert data == "Data in    s3://bucket/lake, kept at any age"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_greeting_is_for_terminals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_terminal: bool) -> None:
    stream = StreamHere(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    config = Config(data=tmp_path)
    announce(config, addresses(config, ALL), tls=False)
    assert stream.getvalue().startswith("Send to") == is_terminal
