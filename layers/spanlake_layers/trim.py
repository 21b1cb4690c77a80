"""Removes files that no function needs from a layer, so that the layers of a function stay below Lambda's 250 MB.

``python -m spanlake_layers.trim FOLDER`` trims any other folder of packages.
"""

import shutil
import sys
from pathlib import Path

from spanlake_layers.contents import SERVICE_DATA, SERVICES, UNUSED


def trim(folder: Path) -> None:
    """Remove the files in UNUSED from a layer's ``python`` folder, and botocore's data on other services."""
    unused = [path for patterns in UNUSED.values() for pattern in patterns for path in folder.glob(pattern)]
    others = [path for pattern in SERVICE_DATA for path in folder.glob(pattern) if path.is_dir()]
    for path in (*unused, *(path for path in others if path.name not in SERVICES)):
        _remove(path)


def size_by_package(folder: Path) -> dict[str, int]:
    """Return the sizes in bytes of the entries directly below a folder, the largest first."""
    sizes = {path.name: _size(path) for path in folder.iterdir()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
