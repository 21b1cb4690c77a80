"""Asks an edge on this machine whether it takes requests: exit status 0 if it does, 1 if not.

``python -m spanlake.workers.probe``, for containers, which have no curl. It knows the variables of ``spanlake edge``.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

_SECONDS = 4.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, addresses to listen on and where they are asked


def main() -> None:
    """Ask."""
    listen = os.environ.get("SPANLAKE_LISTEN", "127.0.0.1")
    port = int(os.environ.get("SPANLAKE_HEALTH_PORT", "8080")) + int(os.environ.get("SPANLAKE_PORT_OFFSET", "0"))
    connection = HTTPConnection(_EVERYWHERE.get(listen, listen), port, timeout=_SECONDS)
    try:
        connection.request("GET", "/ready")
        sys.exit(connection.getresponse().status != 200)
    except (OSError, HTTPException) as error:
        sys.exit(f"no answer: {error}")


if __name__ == "__main__":
    main()
