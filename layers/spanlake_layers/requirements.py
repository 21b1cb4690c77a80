"""Resolves the locked packages of a layer, or of any other target."""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from spanlake_layers.contents import Layer
from spanlake_layers.target import Target

_LOCKED = re.compile(r"^(?P<name>[a-z0-9.-]+)==[^\n]*(?:\n    [^\n]*)*", re.MULTILINE)


def packages(layer: Layer, target: Target) -> frozenset[str]:
    """Return the names of all packages in a layer, according to the metadata of the installed ones."""
    found = closure(layer.requirements, target)
    return found - packages(layer.above, target) if layer.above else found


def closure(requirements: Iterable[str], target: Target) -> frozenset[str]:
    """Return the names of all packages that these requirements need on the target, by the installed metadata."""
    environment = {**default_environment(), **target.markers}
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras} - {known for other, known in seen if other == name}:
            seen.add((name, extra))
            waiting += _needed(name, {**environment, "extra": extra})
    return frozenset(name for name, _ in seen)


def locked(names: Iterable[str], lock: Path) -> str:
    """Return the lines of a lock file for these packages, with hashes; raises KeyError for a missing package."""
    entries = {match["name"]: match[0] for match in _LOCKED.finditer(lock.read_text())}
    return "".join(f"{entries[name]}\n" for name in sorted(names))


def _needed(name: str, environment: Mapping[str, Any]) -> list[Requirement]:
    found = map(Requirement, requires(name) or ())
    return [each for each in found if each.marker is None or each.marker.evaluate(dict(environment))]
