"""Ports that workers share, and nobody else."""

import socket
from collections.abc import Iterator

import pytest

from spanlake.server import ports as faces
from spanlake.settings.units import InvalidSetting
from spanlake.workers.ports import Ports, claim
from tests.server_process import free_offset


@pytest.fixture
def offset() -> int:
    return free_offset()


@pytest.fixture
def ports(offset: int) -> Iterator[Ports]:
    claimed = claim("127.0.0.1", offset, 3)
    yield claimed
    for sockets in claimed.datagrams:
        for each in sockets.values():
            each.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_claimed_port_can_not_be_claimed_again(ports: Ports, offset: int, host: str) -> None:
    with pytest.raises(InvalidSetting, match="Address already in use"):
        claim(host, offset, 3)


def test_shared_port_distributes_datagrams_to_workers(ports: Ports, offset: int) -> None:
    for _ in range(100):
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", faces.JAEGER_COMPACT.port + offset))
    received = [waiting(sockets[faces.JAEGER_COMPACT]) for sockets in ports.datagrams]
    assert sum(received) == 100
    assert min(received) > 0


def waiting(receiver: socket.socket) -> int:
    receiver.setblocking(False)
    for number in range(1000):
        try:
            receiver.recv(10)
        except BlockingIOError:
            return number
    raise AssertionError


def test_claimed_port_leaves_connections_to_workers(ports: Ports) -> None:
    """The supervisor does not listen, or it would be given connections too."""
    for where in ports.grpc:
        with socket.socket() as client:
            assert client.connect_ex((where.host, where.port)) != 0
