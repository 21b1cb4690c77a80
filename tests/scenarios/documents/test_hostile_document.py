"""Each row of docs/hostile-input.md names what holds it: tests of this project, or scripts that show the attack."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.documents import document
from tests.recorded import DATA

DOCUMENT = document("docs/hostile-input.md")
ROWS = [row.split("|")[1:-1] for row in re.findall(r"^\| .*\|$", DOCUMENT, re.MULTILINE)]
ATTACKS = {attack.strip(): held for attack, _, _, held in ROWS if attack.strip() != "attack"}


@cache
def known() -> frozenset[str]:
    """The names of all tests and scripts."""
    tests = "\n".join(path.read_text() for path in Path(__file__).parents[2].rglob("test_*.py"))
    return frozenset(re.findall(r"def (test_\w+)", tests)) | {path.stem for path in (DATA / "cases").rglob("*.py")}


@pytest.mark.parametrize("held", ATTACKS.values(), ids=ATTACKS)
def test_each_row_names_what_holds_it(held: str) -> None:
    names = re.findall(r"`(\w+)`", held)
    assert names
    assert set(names) <= known()
