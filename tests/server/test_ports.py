"""Where a server listens."""

import socket

import pytest

from spanlake.server.ports import (
    ALL,
    LARGEST_OFFSET,
    OLD_QUERIES,
    OPENCENSUS_GRPC,
    QUERIES,
    ZIPKIN,
    Port,
    address,
    addresses,
    bind,
    port_notice,
)
from spanlake.settings.kinds import NAMES, PORTS
from spanlake.settings.model import Config
from spanlake.settings.units import InvalidSetting

FACE = Port(3200, "http", "Tempo API")


@pytest.mark.parametrize(
    ("host", "offset", "url"),
    [
        ("127.0.0.1", 0, "http://127.0.0.1:3200"),
        ("0.0.0.0", 10, "http://0.0.0.0:3210"),
        ("localhost", 10, "http://localhost:3210"),
        ("::1", 0, "http://[::1]:3200"),
    ],
)
def test_port_has_urls(host: str, offset: int, url: str) -> None:
    assert address(FACE, host, offset).url == url


@pytest.mark.parametrize("offset", [-1, LARGEST_OFFSET + 1])
def test_offset_beyond_port_numbers_is_refused(offset: int) -> None:
    with pytest.raises(InvalidSetting, match="port offset"):
        address(FACE, "127.0.0.1", offset)


def test_largest_offset_suits_every_port_but_those_that_are_dropped() -> None:
    opened = addresses(Config(port_offset=LARGEST_OFFSET), ALL)
    assert max(where.port for where in opened) == 65535
    assert {*ALL} - {where.protocol for where in opened} == {OLD_QUERIES, OPENCENSUS_GRPC}


def test_notice_of_a_port_names_the_port_of_queries() -> None:
    queries = addresses(Config(port_offset=10), [QUERIES])
    assert port_notice(ZIPKIN, queries) == "this port is for Zipkin; the Tempo API is on port 3210"
    assert port_notice(ZIPKIN) == "this port is for Zipkin"


def opened(moved: str = "", closed: str = "", offset: int = 0) -> dict[str, int]:
    config = Config(moved_ports=PORTS.parse(moved), closed_ports=NAMES.parse(closed), port_offset=offset)
    return {where.protocol.name: where.port for where in addresses(config, ALL)}


def test_ports_are_moved_without_the_offset() -> None:
    found = opened("otlp-grpc=5317, zipkin=9999", offset=100)
    assert (found["otlp-grpc"], found["zipkin"], found["otlp-http"]) == (5317, 9999, 4418)


@pytest.mark.parametrize(("moved", "complaint"), [("3300", "as in tempo=3300"), ("zipkin", "NAME=PORT"), ("a=b", "a")])
def test_moved_port_without_name_or_number_is_refused(moved: str, complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        PORTS.parse(moved)


def test_ports_are_closed_by_name_or_protocol() -> None:
    assert opened(closed="zipkin,jaeger").keys() == {"tempo", "otlp-grpc", "otlp-http", "opencensus"}


def test_port_3100_is_open_where_it_is_named() -> None:
    assert "tempo-3100" not in opened()
    assert opened("tempo-3100=3100")["tempo-3100"] == 3100


@pytest.mark.parametrize(("moved", "closed"), [("spam=1", ""), ("", "spam"), ("", "otl")])
def test_unknown_port_is_refused_with_the_known_ones(moved: str, closed: str) -> None:
    with pytest.raises(InvalidSetting, match="is no port: write one of tempo, "):
        opened(moved, closed)


@pytest.mark.parametrize("text", ["zipkin", "zipkin=", "zipkin=x", "zipkin=0", "zipkin=65536", "=5", "zipkin=-1"])
def test_port_without_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="write NAME=PORT"):
        PORTS.parse(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_bound_port_accepts_connections(host: str) -> None:
    try:
        listener = bind(address(Port(0, "http", "tests"), host, 0))
    except InvalidSetting:
        pytest.skip(f"this machine has no {host}")
    with listener, socket.create_connection(listener.getsockname()[:2]):
        pass


def test_port_in_use_error_names_address_and_use() -> None:
    with bind(address(Port(0, "http", "tests"), "127.0.0.1", 0)) as listener:
        taken = Port(listener.getsockname()[1], "http", "tests")
        with pytest.raises(
            InvalidSetting, match=r"cannot listen on 127\.0\.0\.1:\d+ for tests: Address already in use"
        ):
            bind(address(taken, "127.0.0.1", 0))
