"""Starting an edge: what can be refused is refused before anything is loaded or started."""

import asyncio

from spanlake.config import EdgeConfig
from spanlake.serve.faces import bind
from spanlake.workers.ports import claim, health_address


def run(config: EdgeConfig) -> None:
    """Take requests until SIGTERM or SIGINT, then finish what was accepted.

    Raises InvalidSetting when it cannot listen where it should, and GivenUp when workers can not be started.
    """
    host, offset = config.worker.listen, config.worker.port_offset
    where = health_address(config.health_port, host, offset)
    listener = bind(where)
    ports = claim(host, offset, config.workers)

    from spanlake.workers.seat import Patience
    from spanlake.workers.supervisor import Supervisor

    asyncio.run(Supervisor(config, ports, where, listener, Patience()).run())
