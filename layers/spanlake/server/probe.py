"""Checks whether an edge on this machine takes requests: exit status 0 if it does, 1 if not.

``python -m spanlake.server.probe``, for containers, which have no curl. It reads the variables of ``spanlake edge``.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from spanlake.settings.model import EdgeConfig
from spanlake.settings.setting import Program, from_environment

_SECONDS = 4.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, wildcard addresses and where to connect to them


def main() -> None:
    """Run the check."""
    config = from_environment(EdgeConfig, os.environ, Program.EDGE)
    listen, port = config.server.listen, config.health_port + config.server.port_offset
    connection = _connection(_EVERYWHERE.get(listen, listen), port, config.server.access.tls.cert)
    try:
        connection.request("GET", "/ready")
        sys.exit(connection.getresponse().status != 200)
    except (OSError, HTTPException) as error:
        sys.exit(f"no answer: {error}")


def _connection(host: str, port: int, cert: Path | None) -> HTTPConnection:
    if cert is None:
        return HTTPConnection(host, port, timeout=_SECONDS)
    import ssl
    from http.client import HTTPSConnection

    unverified = ssl._create_unverified_context()  # noqa: S323, the certificate is not of this machine's address
    return HTTPSConnection(host, port, timeout=_SECONDS, context=unverified)


if __name__ == "__main__":
    main()
