"""Starts an edge; invalid settings are reported before anything is imported or started."""

import asyncio
from dataclasses import replace

from spanlake.server.access import check_exposure, open_access, udp_tenant
from spanlake.server.ports import bind
from spanlake.settings.memory import fitted, memory_bytes
from spanlake.settings.model import EdgeConfig
from spanlake.workers.ports import claim, health_address


def run(config: EdgeConfig) -> None:
    """Take requests until SIGTERM or SIGINT, then finish accepted requests.

    Raises InvalidSetting when an address is not available, and GivenUp when workers cannot be started.
    """
    worker = fitted(config.worker, memory_bytes() // config.workers)
    config = replace(config, worker=worker)
    host, offset = config.worker.listen, config.worker.port_offset
    where = health_address(config.health_port, host, offset)
    listener = bind(where)
    ports = claim(host, offset, config.workers, with_udp=udp_tenant(config.worker.access) is not None)
    check_exposure(config.worker)
    access = open_access(config.worker.access)

    from spanlake.workers.seat import Patience
    from spanlake.workers.supervisor import Supervisor

    asyncio.run(Supervisor(config, ports, where, listener, Patience(), access).run())
