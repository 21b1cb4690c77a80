"""Remarks on durations without a unit."""

import pytest

from spanlake.cli.notes import notes
from spanlake.traceql import parse
from tests.cli.conftest import Run
from tests.cli.found import two_traces
from tests.cli.tempo import Tempo


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("{ duration > 100 }", "100"),
        ("{ 100 < duration }", "100"),
        ("{ status = error && traceDuration >= 2.5 }", "2.5"),
        ("{ parent.duration = 3 }", "3"),
        ("{ event:timeSinceStart > 3 }", "3"),
        ("{} | avg(duration) > 20", "20"),
        ("{ duration > 7 } | rate()", "7"),
    ],
)
def test_duration_without_unit_is_noted(query: str, number: str) -> None:
    (note,) = notes(parse(query))
    assert note.endswith(f"write {number}ms or {number}s in place of {number}")


@pytest.mark.parametrize(
    "query",
    [
        "{ duration > 100ms }",
        "{ duration > 1000000 }",
        "{ duration > 0 }",
        "{ span.http.status_code > 100 }",
        "{} | count() > 3",
        "{ duration > span.limit }",
    ],
)
def test_other_comparisons_are_not_noted(query: str) -> None:
    assert list(notes(parse(query))) == []


def test_query_prints_note_beside_its_answer(tempo: Tempo, run: Run) -> None:
    tempo.answers(two_traces())
    result = run("query", "{ duration > 100 }")
    assert result.exit_code == 0
    assert (
        result.stderr == "spanlake: a duration without a unit is in nanoseconds: write 100ms or 100s in place of 100\n"
    )
