"""Imports what a layer holds, with it and the standard library alone: ``python -I -S import_all.py LAYER``.

Of spanlake these are all modules that functions may use, of the rest all packages. Prints what was imported, a name a
line.
"""

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

OTHER_ROLES = (
    "spanlake.auth.jwt",
    "spanlake.cli.main",
    "spanlake.cli",
    "spanlake.edge",
    "spanlake.cli.options",
    "spanlake.server",
    "spanlake.telemetry.logs",
)


def below(folder: Path, package: str) -> Iterator[str]:
    """The modules of a package, and of those in it."""
    for found in pkgutil.iter_modules([str(folder)], f"{package}."):
        if found.name in OTHER_ROLES:
            continue
        yield found.name
        if found.ispkg:
            yield from below(folder / found.name.rpartition(".")[2], found.name)


def main(layer: Path) -> None:
    """Raises the error of whatever can not be imported."""
    sys.path.insert(0, str(layer))
    packages = [found.name for found in pkgutil.iter_modules([str(layer)])]
    for name in (*packages, *below(layer / "spanlake", "spanlake")):
        import_module(name)
        print(name)


main(Path(sys.argv[1]))
