"""Ports of a server, and the protocol on each."""

import socket
from collections.abc import Iterable, Mapping
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
    name: str = ""  # in settings


OTLP_GRPC = Port(4317, "grpc", "OTLP over gRPC", "otlp-grpc")
JAEGER_GRPC = Port(14250, "grpc", "Jaeger over gRPC", "jaeger-grpc")
OPENCENSUS_GRPC = Port(55678, "grpc", "OpenCensus over gRPC", "opencensus")
JAEGER_COMPACT = Port(6831, "udp", "Jaeger, compact Thrift", "jaeger-compact")
JAEGER_BINARY = Port(6832, "udp", "Jaeger, binary Thrift", "jaeger-binary")
OTLP_HTTP = Port(4318, "http", "OTLP over HTTP", "otlp-http")
JAEGER_HTTP = Port(14268, "http", "Jaeger over HTTP", "jaeger-http")
ZIPKIN = Port(9411, "http", "Zipkin", "zipkin")
SAMPLING = Port(5778, "http", "Jaeger's sampling", "jaeger-sampling")
QUERIES = Port(3200, "http", "Tempo API", "tempo")
OLD_QUERIES = Port(3100, "http", "Tempo API", "tempo-3100")  # of Tempo before 2.0; Loki has it too
TEMPO = (QUERIES, OLD_QUERIES)
SPANS_OVER_HTTP = (OTLP_HTTP, JAEGER_HTTP, ZIPKIN)
HTTP = (*TEMPO, *SPANS_OVER_HTTP, SAMPLING)
GRPC = (OTLP_GRPC, JAEGER_GRPC, OPENCENSUS_GRPC)
UDP = (JAEGER_COMPACT, JAEGER_BINARY)
ALL = (*HTTP, *GRPC, *UDP)
OFF = (OLD_QUERIES,)  # unless a setting names them
DROPPED = (OPENCENSUS_GRPC,)  # where an offset moves them beyond the last port
LARGEST_OFFSET = _LAST_PORT - max(port.port for port in ALL if port not in DROPPED)


@dataclass(frozen=True, slots=True)
class Address:
    """A port on a host, with its number there."""

    protocol: Port
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
        return f"{self.protocol.scheme}://{self.authority}"

    @property
    def secure_url(self) -> str:
        """URL for clients where TCP ports speak TLS."""
        return self.url if self.protocol.scheme == "udp" else f"{self.protocol.scheme}s://{self.authority}"


def address(port: Port, host: str, offset: int) -> Address:
    """Return the port's address with the port offset; raises InvalidSetting when the port is out of range."""
    if not 0 <= offset <= LARGEST_OFFSET:
        raise InvalidSetting(f"invalid port offset {offset}: it must be from 0 to {LARGEST_OFFSET}")
    if port.port + offset > _LAST_PORT:
        raise InvalidSetting(f"{port.port} plus the port offset {offset} exceeds {_LAST_PORT}")
    return Address(port, host, port.port + offset)


def addresses(config: Config, kind: Iterable[Port]) -> list[Address]:
    """Return the addresses of those of these ports that are open by the settings; raises InvalidSetting."""
    _check_names([*dict(config.moved_ports), *config.closed_ports])
    opened = (port for port in kind if _is_open(port, config))
    return [_moved(port, config) or address(port, config.listen, config.port_offset) for port in opened]


def _moved(port: Port, config: Config) -> Address | None:
    number = dict(config.moved_ports).get(port.name)
    return None if number is None else Address(port, config.listen, number)


def _is_open(port: Port, config: Config) -> bool:
    if any(_means(name, port) for name in config.closed_ports):
        return False
    if port.name in dict(config.moved_ports):
        return True
    return port not in OFF and not (port in DROPPED and port.port + config.port_offset > _LAST_PORT)


def _means(name: str, port: Port) -> bool:
    """Return True where a name is that of a port or of its protocol, as jaeger is of jaeger-http."""
    return port.name == name or port.name.startswith(f"{name}-")


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not any(_means(name, port) for port in ALL):
            known = ", ".join(port.name for port in ALL)
            raise InvalidSetting(f"{name[:80]!r} is no port: write one of {known}")


def ports_advice(addresses: Iterable[Address]) -> str:
    """List which protocol is on which port, as advice for misdirected clients."""
    return ", ".join(_advice(where) for where in addresses)


def _advice(where: Address) -> str:
    if where.protocol in TEMPO:
        return f"the {where.protocol.serves} is on port {where.port}"
    return f"{where.protocol.serves} is sent to port {where.port}"


def port_notice(port: Port, queries: Iterable[Address] = ()) -> str:
    """Say what is on a port and where queries are answered, as advice for clients that ask it for another path."""
    return "; ".join([f"this port is for {port.serves}", *map(_advice, queries)])


def of_scheme(sockets: Mapping[Address, socket.socket], scheme: str) -> dict[Address, socket.socket]:
    """Return the sockets of the addresses with a scheme."""
    return {where: listener for where, listener in sockets.items() if where.protocol.scheme == scheme}


def bind(where: Address) -> socket.socket:
    """Open a socket that listens there, or receives datagrams; raises InvalidSetting with advice when that fails."""
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            where.host, where.port, type=_KINDS.get(where.protocol.scheme, socket.SOCK_STREAM), flags=socket.AI_PASSIVE
        )[0]
        return _bound(socket.socket(family, kind, protocol), name)
    except OSError as error:
        raise InvalidSetting(
            f"cannot listen on {where.authority} for {where.protocol.serves}: {error.strerror}; "
            "stop what uses the port, or choose others with --port-offset, or another address with --listen"
        ) from None


def _bound(listener: socket.socket, name: tuple[object, ...]) -> socket.socket:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(name)
        if listener.type == socket.SOCK_STREAM:
            listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
