"""Selects the locked packages of the images and of ``make run``: run ``python -m spanlake_layers.image`` in ``layers``.

They are installed where no package metadata is installed, so that dependencies are resolved beforehand.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from spanlake_layers.requirements import closure, locked
from spanlake_layers.target import Target

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "image"

_TARGETS = (Target("aarch64"), Target("x86_64"))
_STORAGE = ("boto3",)  # of the extra aws; its other half is for queries
_SERVE = ("api", "query", "edge", "serve")
_FIRST_TRACE = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-grpc")  # of the program in the README
_BUILD = ("hatchling", "editables")
_HEAD = "# Of requirements.lock, by `make lock`: {}\n"


def files() -> dict[Path, str]:
    """Return the contents of the files from which the images are built and with which ``make run`` begins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    always, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    serve = (*always, *(each for name in _SERVE for each in extras[name] if not each.startswith("spanlake[")))
    return {
        FOLDER / "requirements-edge.txt": _selected("the packages of the edge.", (*always, *extras["edge"], *_STORAGE)),
        FOLDER / "requirements-serve.txt": _selected("the packages of spanlake serve.", (*serve, *extras["aws"])),
        FOLDER / "requirements-build.txt": _selected("the packages that build spanlake.", _BUILD[:1]),
        ROOT / "scripts" / "requirements-run.txt": _selected(
            "the packages of make run.", (*serve, *_BUILD, *_FIRST_TRACE)
        ),
    }


def _selected(about: str, requirements: Iterable[str]) -> str:
    wanted = tuple(requirements)
    names = frozenset[str]().union(*(closure(wanted, target) for target in _TARGETS))
    return _HEAD.format(about) + locked(names, ROOT / "requirements.lock")


def main() -> None:
    """Write the files."""
    for file, text in files().items():
        file.write_text(text)


if __name__ == "__main__":
    main()
