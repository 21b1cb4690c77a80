"""A Dockerfile, as far as tests have to understand it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATH = ROOT / "infra" / "edge" / "Dockerfile"

_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)
_CONTINUED = re.compile(r"\\\n\s*")


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of each stage, as names and arguments; what comes before the first stage is stage 0."""

    stages: tuple[tuple[tuple[str, str], ...], ...]

    @classmethod
    def read(cls) -> "Dockerfile":
        """The one of the edge."""
        stages: list[list[tuple[str, str]]] = [[]]
        for line in _CONTINUED.sub("", _COMMENT.sub("", PATH.read_text())).splitlines():
            name, _, argument = line.partition(" ")
            if name == "FROM":
                stages.append([])
            if name:
                stages[-1].append((name, argument.strip()))
        return cls(tuple(map(tuple, stages)))

    def all(self, name: str, stage: int = -1) -> list[str]:
        """The arguments of every instruction of a name."""
        return [argument for each, argument in self.stages[stage] if each == name]

    def one(self, name: str, stage: int = -1) -> str:
        """The argument of the only instruction of a name."""
        (argument,) = self.all(name, stage)
        return argument

    def command(self, name: str, stage: int = -1) -> list[str]:
        """The words of the only instruction of a name, which is in exec form."""
        return list(json.loads(self.one(name, stage)))

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the image sets."""
        return dict(word.split("=", 1) for argument in self.all("ENV") for word in argument.split())
