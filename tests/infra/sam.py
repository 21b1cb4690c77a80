"""The SAM CLI and SAM's transform, from an environment of their own."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.template import ROOT, TEMPLATE
from tests.toolchain import installed

_SCRIPTS = ROOT / "scripts" / "sam"
_LONGEST_RUN = 120


@cache
def environment() -> Path:
    """Where the programs are; skips or fails as ``installed`` does."""
    (folder,) = installed(_SCRIPTS / "environment.sh", "SAM CLI")
    return Path(folder, "bin")


@cache
def transformed(bucket: str, rollout: str = "AllAtOnce") -> Mapping[str, Any]:
    """The template as CloudFormation's transform leaves it, its folders packaged into a bucket.

    ``rollout`` is the one parameter that the transform itself looks at.
    """
    done = _run("python", str(_SCRIPTS / "transform.py"), str(TEMPLATE), bucket, f"Rollout={rollout}")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def sam(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the SAM CLI, which gets no credentials and finds no home."""
    return _run("sam", *arguments)


def _run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }
    command = [str(environment() / program), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=_LONGEST_RUN, check=False, cwd=ROOT, env=variables
    )
