"""The recordings differ from the right answers where a known accident of Tempo's says so, and nowhere else."""

from typing import Any

import pytest

from tests.documents import document
from tests.recorded import ANSWERS, answers, checker
from tests.scenarios.conformance.differences import DIFFERENCES


@pytest.fixture(scope="module")
def recorded() -> dict[int, Any]:
    """Returns the answers of Tempo by the number of the request."""
    return {row["id"]: row["want"] for row in checker().load(ANSWERS)}


@pytest.mark.parametrize("row", answers(), ids=lambda row: str(row["id"]))
def test_recording_is_right_unless_an_accident_explains_it(recorded: dict[int, Any], row: dict[str, Any]) -> None:
    is_equal = checker().diff(row, row["want"], recorded[row["id"]]) is None
    reasons = row.get("reason", "").split()
    assert is_equal is (row["origin"] == "tempo")
    assert bool(reasons) is not is_equal
    assert DIFFERENCES.keys() >= set(reasons)


@pytest.mark.parametrize("id_", DIFFERENCES)
def test_document_has_every_difference(id_: str) -> None:
    found = DIFFERENCES[id_]
    line = f"| {id_} | {found.tempo} | {found.spanlake} |".replace("`||`", "`\\|\\|`")
    assert line in document("docs/tempo-compatibility.md")
