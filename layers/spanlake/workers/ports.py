"""Ports that the workers share with each other, and with no other process.

Sharing by SO_REUSEPORT is silent: a second edge would take half of the connections unnoticed. The UDP sockets reveal
that the ports are taken. The supervisor binds the first socket of each port exclusively, which fails if there is any
other, and allows sharing afterwards. It holds these sockets as long as it lives, whatever happens to its workers, so
that two edges cannot have the same ports even if they start at the same moment.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanlake.server import ports
from spanlake.server.ports import Address, Port, address, bind

HEALTH = "health and metrics"


@dataclass(frozen=True, slots=True)
class Ports:
    """Addresses of the workers, and the UDP sockets of each."""

    grpc: Sequence[Address]
    udp: Sequence[Address]
    datagrams: Sequence[Mapping[Port, socket.socket]]  # one for each worker, kept for its successor


def claim(host: str, offset: int, workers: int, *, with_udp: bool = True) -> Ports:
    """Bind the ports; raises InvalidSetting when another process has one of them."""
    datagrams_on = ports.UDP if with_udp else ()
    grpc, udp = ([address(face, host, offset) for face in kind] for kind in (ports.GRPC, datagrams_on))
    datagrams = {where: _shared(where, workers) for where in udp}
    for where in grpc:
        bind(where).close()  # workers bind it themselves, but could not report the error
    return Ports(grpc, udp, [{where.face: datagrams[where][number] for where in udp} for number in range(workers)])


def health_address(port: int, host: str, offset: int) -> Address:
    """Return the address for probes; raises InvalidSetting when the port is out of range."""
    return address(Port(port, "http", HEALTH), host, offset)


def _shared(where: Address, workers: int) -> list[socket.socket]:
    first = bind(where)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [first, *(bind(where, shared=True) for _ in range(workers - 1))]
