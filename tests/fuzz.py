"""Asks a server of its own random queries about random spans, and compares its answers with the plain evaluator's.

``python -m tests.fuzz --seed 1 --rounds 5 --queries 4000``; the options are those of ``tests/oracle/fuzz.py``.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.recorded import ORACLE
from tests.server import SpanlakeServer

THEMES = "simple,logic,arithmetic,structure,pipeline,extended,metric,second,math,compare,search,range"


def fuzz(server: SpanlakeServer, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Runs the comparison; its exit status is 0 where all answers are equal."""
    command = [sys.executable, str(ORACLE / "fuzz.py"), server.tempo, server.otlp_http, "--themes", THEMES, *arguments]
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main() -> int:
    """Runs it on a server that is stopped afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        server = SpanlakeServer(Path(directory, "data")).wait_until_ready()
        try:
            found = fuzz(server, sys.argv[1:])
        finally:
            server.stop()
    print(found.stdout)
    return found.returncode


if __name__ == "__main__":
    sys.exit(main())
