"""The examples in README and docs."""

import re
from pathlib import Path

_ROOT = Path(__file__).parent.parent


def document(path: str) -> str:
    """The text of a document of the project."""
    return (_ROOT / path).read_text()


def section(text: str, title: str) -> str:
    """Returns the text between a heading and the next heading of its level."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """The shell's commands, one a line."""
    return [line for block in fenced(text, "sh") for line in block.splitlines()]
