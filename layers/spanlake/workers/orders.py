"""Start parameters of a worker, sent by the supervisor only."""

import pickle
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanlake.server.ports import Address, Port
from spanlake.settings.model import Config

_SIZE = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Orders:
    """A worker's number, and where it takes requests."""

    number: int  # from 1
    config: Config
    grpc: Sequence[Address]
    datagrams: Mapping[Port, int]  # inherited file descriptors

    def give(self, connected: socket.socket) -> None:
        """Send the orders to the process at the other end."""
        text = pickle.dumps(self)
        connected.sendall(_SIZE.pack(len(text)) + text)

    @classmethod
    def take(cls, connected: socket.socket) -> "Orders":
        """Wait for orders; raises EOFError when the other end closes without sending any."""
        (size,) = _SIZE.unpack(_exactly(connected, _SIZE.size))
        orders = pickle.loads(_exactly(connected, size))  # noqa: S301, only the supervisor has this socket
        assert isinstance(orders, cls)
        return orders


def _exactly(connected: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connected.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received
