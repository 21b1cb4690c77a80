"""Where a server listens."""

import socket

import pytest

from spanlake.server.ports import ALL, LARGEST_OFFSET, Port, address, bind
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


def test_largest_offset_suits_every_port() -> None:
    assert max(address(face, "x", LARGEST_OFFSET).port for face in ALL) == 65535


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
