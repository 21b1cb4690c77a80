"""The AWS CDK, from an environment of its own, and the templates that it writes for spanlake."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.template import ROOT
from tests.toolchain import installed

APP = ROOT / "infra" / "cdk"
STACK = "spanlake"

_SCRIPT = ROOT / "scripts" / "cdk" / "environment.sh"
_LONGEST_RUN = 300


@dataclass(frozen=True)
class Assembly:
    """Folder written by ``cdk synth``."""

    folder: Path

    @property
    def stack(self) -> Path:
        """The stack's template."""
        return self.folder / f"{STACK}.template.json"

    @property
    def templates(self) -> list[Path]:
        """That and the one inside it."""
        return sorted(self.folder.glob("*.template.json"))

    @property
    def warnings(self) -> list[str]:
        """Texts of the CDK's warnings and errors."""
        artifacts = self.load(self.folder / "manifest.json")["artifacts"].values()
        entries = (entry for each in artifacts for found in each.get("metadata", {}).values() for entry in found)
        return [str(entry["data"]) for entry in entries if entry["type"] in ("aws:cdk:warning", "aws:cdk:error")]

    @property
    def files(self) -> Mapping[str, Any]:
        """Files that have to be in the CDK's bucket before the stack is deployed."""
        files: Mapping[str, Any] = self.load(self.folder / f"{STACK}.assets.json")["files"]
        return files

    def load(self, path: Path) -> Mapping[str, Any]:
        """A file's content."""
        content: Mapping[str, Any] = json.loads(path.read_text())
        return content


@cache
def environment() -> Path:
    """Where the programs are; skips or fails as ``installed`` does."""
    (folder,) = installed(_SCRIPT, "AWS CDK")
    return Path(folder, "bin")


def synth(folder: Path, context: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run ``cdk synth``, which gets no credentials; folders are named where they are, and not copied."""
    given = [argument for name, value in context.items() for argument in ("--context", f"{name}={value}")]
    return _run(
        [str(environment() / "cdk"), "synth", "--quiet", "--no-staging", "--output", str(folder), *given], folder
    )


_PROGRAM = """
import json, sys
from aws_cdk import App
from app import write
for folder, context in json.load(sys.stdin):
    write(App(outdir=folder, context=context))
"""
_CONTEXT_OF_COMMAND = {
    "aws:cdk:disable-asset-staging": True,
    "aws:cdk:disable-version-reporting": True,
    "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:enable-path-metadata": True,
}
"""Context that ``cdk synth`` adds, with the options that ``synth`` gives it."""


def synth_all(wanted: Mapping[Path, Mapping[str, str]]) -> None:
    """Write assemblies by folder, as ``synth`` does, in one process: to start takes longer than to write."""
    common = {**json.loads((APP / "cdk.json").read_text())["context"], **_CONTEXT_OF_COMMAND}
    given = json.dumps([(str(folder), {**common, **context}) for folder, context in wanted.items()])
    done = _run([str(environment() / "python"), "-c", _PROGRAM], next(iter(wanted)), given)
    assert done.returncode == 0, done.stderr


def _run(command: list[str], home: Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    variables = {
        "PATH": f"{environment()}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(environment().parent / "jsii"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        timeout=_LONGEST_RUN,
        check=False,
        cwd=APP,
        env=variables,
    )
