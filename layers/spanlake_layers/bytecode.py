"""Compiles bytecode ahead of time: a function cannot write it, and would compile its imports at each cold start."""

import shutil
import subprocess
import sys
from pathlib import Path


def interpreter(version: str) -> str | None:
    """Find a Python of this version, such as 3.13, on this machine; bytecode does not depend on the processor."""
    of_pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    candidates = (sys.executable, shutil.which(f"python{version}"), *map(str, of_pyenv))
    return next((found for found in candidates if found and _version(found) == version), None)


def compile_all(folder: Path, python: str) -> None:
    """Compile every module below a layer's ``python`` folder; files that are invalid for this Python stay unchanged.

    The bytecode is never compared with its source, as archives do not keep the times needed for that.
    """
    options = ["-q", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/opt/python"]
    subprocess.run([python, "-m", "compileall", *options, str(folder)], check=False)  # noqa: S603


def _version(python: str) -> str:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
