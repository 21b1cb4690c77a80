"""Starting a server: what can be refused is refused before anything heavy is loaded."""

import asyncio

from spanlake.config import Config
from spanlake.serve import faces
from spanlake.serve.faces import address, bind


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was accepted.

    Raises InvalidSetting when it cannot listen where it should, and StoreError when the data directory is no use.
    """
    http = [address(face, config.listen, config.port_offset) for face in faces.HTTP]
    grpc = address(faces.OTLP_GRPC, config.listen, config.port_offset)
    sockets = [bind(where) for where in http]
    bind(grpc).close()  # grpc binds itself, but does not tell what is wrong

    import uvloop

    from spanlake.serve.process import serve

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config, dict(zip(http, sockets, strict=True)), grpc))
