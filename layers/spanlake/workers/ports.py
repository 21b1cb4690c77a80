"""The ports that the workers share among themselves, and with nobody else.

Sharing by SO_REUSEPORT is silent: a second edge would take half of the connections and nobody would know. What tells
it that the ports are taken are the sockets for datagrams. The supervisor binds the first of each port as the only one,
which fails if there is any other, and allows sharing afterwards; it holds them as long as it lives, whatever becomes of
its workers, and so two edges can not have the same ports even if they start at the same moment.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanlake.serve import faces
from spanlake.serve.faces import Address, Face, address, bind

HEALTH = "health and metrics"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the workers listen, and the sockets for datagrams of each."""

    grpc: Sequence[Address]
    udp: Sequence[Address]
    datagrams: Sequence[Mapping[Face, socket.socket]]  # one a worker; what arrives for one that has died waits for it


def claim(host: str, offset: int, workers: int) -> Ports:
    """Make the ports ours; raises InvalidSetting when somebody else has one."""
    grpc, udp = ([address(face, host, offset) for face in kind] for kind in (faces.GRPC, faces.UDP))
    datagrams = {where: _shared(where, workers) for where in udp}
    for where in grpc:
        bind(where).close()  # workers bind it themselves, but could not tell what is wrong
    return Ports(grpc, udp, [{where.face: datagrams[where][number] for where in udp} for number in range(workers)])


def health_address(port: int, host: str, offset: int) -> Address:
    """Where probes ask; raises InvalidSetting when there is no such port."""
    return address(Face(port, "http", HEALTH), host, offset)


def _shared(where: Address, workers: int) -> list[socket.socket]:
    first = bind(where)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [first, *(bind(where, shared=True) for _ in range(workers - 1))]
