"""Builds the Lambda layers without a container: ``python layers/build.py``, by default for Lambda on arm64."""

import argparse
import shutil
import sys
from pathlib import Path

from spanlake_layers.bytecode import compile_all, interpreter
from spanlake_layers.contents import LAYERS, Layer
from spanlake_layers.requirements import locked, packages
from spanlake_layers.service_data import slim
from spanlake_layers.target import Target
from spanlake_layers.trim import size_by_package, trim
from spanlake_layers.wheels import unpack, unpack_project

ROOT = Path(__file__).resolve().parents[1]


def build(layer: Layer, target: Target, out: Path) -> Path:
    """Make one layer anew; returns its ``python`` folder, which Lambda puts into /opt."""
    folder = out / layer.name / "python"
    shutil.rmtree(out / layer.name, ignore_errors=True)
    folder.mkdir(parents=True)
    names = packages(layer, target)
    unpack(locked(names, ROOT / "requirements.lock"), target, folder)
    if layer.spanlake:
        unpack_project(ROOT, folder)
    trim(folder)
    if "botocore" in names:
        slim(folder)
    if python := interpreter(target.python):
        compile_all(folder, python)
    else:
        _say(f"There is no Python {target.python} here to compile with: the functions will start more slowly.")
    return folder


def main() -> None:
    """Build all layers, and say how large they are."""
    usual = Target()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", default=usual.machine, help="aarch64 or x86_64 (%(default)s)")
    parser.add_argument("--python", default=usual.python, help="version of Python (%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "layers", help="folder (%(default)s)")
    arguments = parser.parse_args()
    target = Target(arguments.machine, arguments.python)
    for layer in LAYERS:
        folder = build(layer, target, arguments.out)
        _tell(layer.name, size_by_package(folder))


def _tell(name: str, sizes: dict[str, int]) -> None:
    _say(f"{name}: {sum(sizes.values()) / 1e6:.1f} MB")
    for package, size in list(sizes.items())[:12]:
        _say(f"  {size / 1e6:6.1f}  {package}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
