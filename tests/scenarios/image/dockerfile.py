"""A Dockerfile, as far as tests have to understand it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATH = ROOT / "infra" / "image" / "Dockerfile"
IMAGES = ("edge", "serve")

_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)
_CONTINUED = re.compile(r"\\\n\s*")


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of each stage, as names and arguments; those before the first stage are stage ''."""

    stages: dict[str, tuple[tuple[str, str], ...]]
    image: str  # the stage that is built

    @classmethod
    def read(cls, image: str = "edge") -> "Dockerfile":
        """Read the file for one of its images."""
        stages: dict[str, list[tuple[str, str]]] = {"": []}
        current = ""
        for line in _CONTINUED.sub("", _COMMENT.sub("", PATH.read_text())).splitlines():
            name, _, argument = line.partition(" ")
            if name == "FROM":
                current = argument.rpartition(" AS ")[2]
                stages[current] = []
            if name:
                stages[current].append((name, argument.strip()))
        return cls({name: tuple(lines) for name, lines in stages.items()}, image)

    @property
    def build(self) -> str:
        """The stage that installs the image's content."""
        return f"build-{self.image}"

    def all(self, name: str, stage: str | None = None) -> list[str]:
        """The arguments of every instruction of a name, of the image unless another stage is named."""
        lines = self.stages[self.image if stage is None else stage]
        return [argument for each, argument in lines if each == name]

    def one(self, name: str, stage: str | None = None) -> str:
        """The argument of the only instruction of a name."""
        (argument,) = self.all(name, stage)
        return argument

    def command(self, name: str, stage: str | None = None) -> list[str]:
        """The words of the only instruction of a name, which is in exec form."""
        return list(json.loads(self.one(name, stage)))

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the image sets."""
        return dict(word.split("=", 1) for argument in self.all("ENV") for word in argument.split())
