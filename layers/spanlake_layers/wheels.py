"""Downloads wheels once, checked against the hashes of the lock file, and unpacks them into a folder."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from spanlake_layers.target import Target

_QUIET = ("--disable-pip-version-check", "--no-input", "--quiet")


def cache_folder() -> Path:
    """Return the folder in which wheels are kept between builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanlake" / "wheels"


def unpack(requirements: str, target: Target, folder: Path) -> None:
    """Unpack the packages of a lock file into a folder, without compiling; raises CalledProcessError.

    All wheels are checked against the hashes, including cached ones.
    """
    key = hashlib.sha256(f"{target}\n{requirements}".encode()).hexdigest()[:32]
    wheels = cache_folder() / key
    with TemporaryDirectory() as temporary:
        listed = Path(temporary) / "requirements.txt"
        listed.write_text(requirements)
        named = ("--require-hashes", "--no-deps", "--requirement", str(listed))
        if not wheels.is_dir():
            _fetch(wheels, *target.pip_options, *named)
        _pip("install", *target.pip_options, *named, "--no-index", "--find-links", str(wheels), *_into(folder))


def unpack_project(project: Path, folder: Path) -> None:
    """Build the wheel of a project, with the build backend that is installed, and unpack it."""
    with TemporaryDirectory() as temporary:
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", temporary, str(project))
        (wheel,) = Path(temporary).glob("*.whl")
        _pip("install", "--no-deps", "--no-index", *_into(folder), str(wheel))


def _fetch(wheels: Path, *options: str) -> None:
    wheels.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=wheels.parent) as part:
        _pip("download", *options, "--dest", part)
        shutil.copytree(part, wheels, dirs_exist_ok=True)


def _into(folder: Path) -> list[str]:
    return ["--no-compile", "--upgrade", "--target", str(folder)]


def _pip(command: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", command, *_QUIET, *arguments], check=True)  # noqa: S603
