"""Starts a server; invalid settings are reported before heavy modules are imported."""

import asyncio
from collections.abc import Iterable

from spanlake.server import ports
from spanlake.server.ports import Address, Face, address, bind
from spanlake.settings.model import Config


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then finish accepted requests.

    Raises InvalidSetting when an address is not available, and StoreError when the data directory cannot be used.
    """
    http, grpc, udp = (_addresses(config, kind) for kind in (ports.HTTP, ports.GRPC, ports.UDP))
    sockets = [bind(where) for where in (*http, *udp)]
    for where in grpc:
        bind(where).close()  # grpc binds the port itself, but does not report the error

    import uvloop

    from spanlake.server.run import serve

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, dict(zip((*http, *udp), sockets, strict=True)), grpc))


def _addresses(config: Config, kind: Iterable[Face]) -> list[Address]:
    return [address(face, config.listen, config.port_offset) for face in kind]
