"""Installs and runs the image's content without a container: by the Dockerfile's own instructions, as far as they go.

As a user who is not root and on a file system that is read-only, where the tests run as root and the system lets them.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spanlake_layers.bytecode import interpreter
from tests.edge_process import SpanlakeEdge
from tests.scenarios.image.dockerfile import ROOT, Dockerfile
from tests.server_process import SpanlakeServer

PYTHON = "3.13"  # of the image

_LONGEST_INSTALL = 900  # seconds
_READ_ONLY = "mount -o remount,bind,ro /"


@dataclass(frozen=True)
class Installed:
    """Content of the image, in a folder."""

    folder: Path
    dockerfile: Dockerfile

    @classmethod
    def into(cls, folder: Path, image: str = "edge") -> "Installed":
        """Do what the Dockerfile does, with the image's Python if there is one here."""
        dockerfile = Dockerfile.read(image)
        script, name, _, _ = dockerfile.command("RUN", dockerfile.build)
        command = [str(ROOT / script), name, str(folder), interpreter(PYTHON) or sys.executable]
        subprocess.run(command, check=True, timeout=_LONGEST_INSTALL)
        return cls(folder, dockerfile)

    @property
    def packages(self) -> Path:
        """Where the packages are."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def here(self, path: str) -> str:
        """A path of the image as it is here."""
        _, _, folder, _ = self.dockerfile.command("RUN", self.dockerfile.build)
        return path.replace(folder, str(self.folder))

    def entrypoint(self, writable: Path | None = None) -> list[str]:
        """Returns the command line of a container before its command; one folder may be writable, as a volume is."""
        return [
            *confinement(self.dockerfile.one("USER"), writable),
            *map(self.here, self.dockerfile.command("ENTRYPOINT")),
        ]

    def environment(self) -> dict[str, str]:
        """Returns the environment of a container."""
        return {name: self.here(value) for name, value in self.dockerfile.environment.items()}

    def probe(self, environment: Mapping[str, str]) -> int:
        """Returns the exit status of the health check."""
        _, _, command = self.dockerfile.one("HEALTHCHECK").partition("CMD ")
        words = [self.here(word) for word in json.loads(command)]
        return subprocess.run(words, env=environment, capture_output=True, check=False).returncode


class ImageEdge(SpanlakeEdge):
    """An edge that runs as in a container: with an environment of its own, and of this machine's nothing."""

    def __init__(self, installed: Installed, data: Path, arguments: Sequence[str], environment: Mapping[str, str]):
        variables = (f"{name}={value}" for name, value in {**installed.environment(), **environment}.items())
        super().__init__(data, arguments, program=("env", "-i", *variables, *installed.entrypoint()))


class ImageServer(SpanlakeServer):
    """A server that runs as in a container, but for its data, which is in a folder of the test."""

    def __init__(self, installed: Installed, data: Path, arguments: Sequence[str]):
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        variables = (f"{name}={value}" for name, value in installed.environment().items())
        super().__init__(data, arguments, program=("env", "-i", *variables, *installed.entrypoint(writable=data)))


@cache
def confinement(user: str, writable: Path | None = None) -> tuple[str, ...]:
    """Returns the prefix of a command to run as that user, unable to write elsewhere; empty where that is not possible.

    The folders of tests are for root alone, so the user may read them all the same.
    """
    if os.geteuid() != 0:
        return ()
    uid, _, gid = user.partition(":")
    capability = ("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "+dac_read_search")
    as_user = ("setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *capability, "--")
    volume = f"mount --bind {shlex.quote(str(writable))} {shlex.quote(str(writable))} && " if writable else ""
    read_only = ("unshare", "--mount", "sh", "-c", f'{volume}{_READ_ONLY} && exec "$@"', "-")
    possible = subprocess.run([*read_only, *as_user, "true"], capture_output=True, check=False).returncode == 0
    return (*read_only, *as_user) if possible else as_user
