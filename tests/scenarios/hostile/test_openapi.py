"""Requests that schemathesis makes of the OpenAPI document, and near misses of it: none is answered with 5xx."""

import subprocess
import sys

from tests.server_process import SpanlakeServer

OPTIONS = ("--checks", "not_a_server_error", "--max-examples", "8", "--seed", "3", "--no-color")


def test_requests_of_the_openapi_document_cause_no_server_error(server: SpanlakeServer) -> None:
    url = f"http://127.0.0.1:{3200 + server.offset}/openapi.json"
    phases = ("--phases", "examples,coverage,fuzzing")
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", url, *OPTIONS, *phases],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
