"""Ports of a server, and the protocol on each."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from spanlake.settings.model import Config
from spanlake.settings.units import InvalidSetting

_BACKLOG = 2048
_LAST_PORT = 65535
_KINDS = {"udp": socket.SOCK_DGRAM}


@dataclass(frozen=True, slots=True)
class Port:
    """A port and the protocol on it."""

    port: int  # before the offset
    scheme: str
    serves: str


OTLP_GRPC = Port(4317, "grpc", "OTLP over gRPC")
JAEGER_GRPC = Port(14250, "grpc", "Jaeger over gRPC")
OPENCENSUS_GRPC = Port(55678, "grpc", "OpenCensus over gRPC")
JAEGER_COMPACT = Port(6831, "udp", "Jaeger, compact Thrift")
JAEGER_BINARY = Port(6832, "udp", "Jaeger, binary Thrift")
OTLP_HTTP = Port(4318, "http", "OTLP over HTTP")
JAEGER_HTTP = Port(14268, "http", "Jaeger over HTTP")
ZIPKIN = Port(9411, "http", "Zipkin")
SAMPLING = Port(5778, "http", "Jaeger's sampling")
TEMPO = (Port(3200, "http", "Tempo API"), Port(3100, "http", "Tempo API"))
SPANS_OVER_HTTP = (OTLP_HTTP, JAEGER_HTTP, ZIPKIN)
HTTP = (*TEMPO, *SPANS_OVER_HTTP, SAMPLING)
GRPC = (OTLP_GRPC, JAEGER_GRPC, OPENCENSUS_GRPC)
UDP = (JAEGER_COMPACT, JAEGER_BINARY)
ALL = (*HTTP, *GRPC, *UDP)
LARGEST_OFFSET = _LAST_PORT - max(face.port for face in ALL)


@dataclass(frozen=True, slots=True)
class Address:
    """A face on a host."""

    face: Port
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """URL for clients."""
        return f"{self.face.scheme}://{self.authority}"

    @property
    def secure_url(self) -> str:
        """URL for clients where TCP ports speak TLS."""
        return self.url if self.face.scheme == "udp" else f"{self.face.scheme}s://{self.authority}"


def address(face: Port, host: str, offset: int) -> Address:
    """Return the face's address with the port offset; raises InvalidSetting when the port is out of range."""
    if not 0 <= offset <= LARGEST_OFFSET:
        raise InvalidSetting(f"invalid port offset {offset}: it must be from 0 to {LARGEST_OFFSET}")
    if face.port + offset > _LAST_PORT:
        raise InvalidSetting(f"{face.port} plus the port offset {offset} exceeds {_LAST_PORT}")
    return Address(face, host, face.port + offset)


def addresses(config: Config, kind: Iterable[Port]) -> list[Address]:
    """Return the addresses of these ports by the settings; raises InvalidSetting."""
    return [address(face, config.listen, config.port_offset) for face in kind]


def ports_advice(addresses: Iterable[Address]) -> str:
    """List which protocol is sent to which port, as advice for misdirected senders."""
    return ", ".join(f"{where.face.serves} is sent to port {where.port}" for where in addresses)


def bind(where: Address, *, shared: bool = False) -> socket.socket:
    """Open a socket that listens there, or receives datagrams; a shared one allows other shared sockets on the port.

    Raises InvalidSetting with advice when that fails.
    """
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            where.host, where.port, type=_KINDS.get(where.face.scheme, socket.SOCK_STREAM), flags=socket.AI_PASSIVE
        )[0]
        return _bound(socket.socket(family, kind, protocol), name, shared=shared)
    except OSError as error:
        raise InvalidSetting(
            f"cannot listen on {where.authority} for {where.face.serves}: {error.strerror}; "
            "stop what uses the port, or choose others with --port-offset, or another address with --listen"
        ) from None


def _bound(listener: socket.socket, name: tuple[object, ...], *, shared: bool) -> socket.socket:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(name)
        if listener.type == socket.SOCK_STREAM:
            listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
