"""Exemplars: which spans a metrics query shows, and with what."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pytest

from spanlake.query.metrics import exemplars
from spanlake.query.metrics.exemplars import MOST, exemplars_wanted
from spanlake.query.series import Exemplar
from spanlake.query.time_range import Steps
from spanlake.traceql import parse
from tests.query.kit import HOUR, MINUTE, MS, NOON, SECOND, At, Lake, steps, trace_id

RANGE = steps(0, HOUR, MINUTE)
SHORT = steps(0, 10 * MINUTE, MINUTE)


@pytest.mark.parametrize(
    ("hints", "asked", "wanted"),
    [
        ("", 0, 100),
        ("", 7, 7),
        ("", 1000, 100),
        ("with (exemplars=true)", 0, 100),
        ("with (exemplars=true)", 7, 7),
        ("with (exemplars=false)", 7, 0),
        ("with (exemplars=3)", 7, 3),
        ("with (exemplars=0)", 7, 0),
        ("with (exemplars=1000)", 7, 100),
        ("with (exemplars=false, exemplars=3)", 7, 3),
        ("with (exemplars=`none`)", 7, 7),
    ],
)
def test_how_many(hints: str, asked: int, wanted: int) -> None:
    assert exemplars_wanted(parse(f"{{}} | rate() {hints}"), asked) == wanted


# which


Span: TypeAlias = tuple[int, int, int]  # its trace's number, its start from noon, the number of its group


def choose(found: Sequence[Span], limit: int = MOST) -> list[Span]:
    groups = pa.array([group for _, _, group in found], pa.int32())
    starts = pa.array([NOON + start for _, start, _ in found])
    traces = pa.array([trace_id(trace) for trace, _, _ in found])
    return [found[row] for row in exemplars.choose(groups, starts, traces, RANGE, limit)]


def test_two_for_each_part_of_the_range() -> None:
    chosen = choose([(n, n * SECOND, 0) for n in range(1, 3601)])
    parts = Counter((start - 1) // (HOUR // 50) for _, start, _ in chosen)
    assert len(chosen) == MOST
    assert set(parts.values()) == {2}


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_no_more_than_asked_for(limit: int) -> None:
    assert len(choose([(n, n * MINUTE, 0) for n in range(1, 60)], limit)) in {limit, limit - 1}


def test_one_a_trace() -> None:
    assert len(choose([(n % 3, n * MINUTE, 0) for n in range(60)])) == 3


def test_a_trace_that_had_no_room_is_shown_where_there_is_some() -> None:
    found = [(1, SECOND, 0), (2, SECOND, 0), (3, SECOND, 0), (3, HOUR, 0)]
    assert choose(found) == [(1, SECOND, 0), (2, SECOND, 0), (3, HOUR, 0)]


def test_every_series_has_its_turn() -> None:
    found = [(n, 0, 0) for n in range(100)] + [(1000, 0, 1)]
    assert [group for _, _, group in choose(found)] == [0, 1]


def test_the_order_they_are_found_in_does_not_matter() -> None:
    found = [(n, n * SECOND, n % 7) for n in range(500)]
    assert choose(found, 10) == choose(found[::-1], 10)


# with what


@pytest.fixture
def measured(lake: Lake) -> Lake:
    lake.add(
        At(1, trace=1, start=1, length=SECOND, attributes={"n": 1, "kind": "a"}),
        At(2, trace=2, start=40 * SECOND, length=2 * SECOND, attributes={"n": 2, "kind": "b"}),
    )
    lake.add(At(3, trace=3, start=MINUTE + 7 * MS, length=3 * SECOND, attributes={"n": 3, "kind": "a"}))
    return lake


def shown(lake: Lake, q: str, wanted: Steps = RANGE) -> dict[object, list[tuple[int, float | None]]]:
    """The traces' numbers and the values of exemplars by the series' last label."""
    found: dict[object, list[tuple[int, float | None]]] = {}
    for line in lake.lines(q, wanted, exemplars=MOST):
        for exemplar in line.exemplars:
            labels = dict(exemplar.labels)
            found.setdefault(line.labels[-1][1], []).append((int(str(labels["trace:id"]), 16), exemplar.value))
    return found


@pytest.mark.parametrize(
    ("query", "exemplars"),
    [
        ("{} | count_over_time()", {"count_over_time": [(1, 2), (2, 2), (3, 1)]}),
        ("{} | rate() by (span.kind)", {"a": [(1, 1 / 60), (3, 1 / 60)], "b": [(2, 1 / 60)]}),
        ("{ span.n > 1 } | avg_over_time(span.n)", {"avg_over_time": [(2, 2), (3, 3)]}),
        ("{} | sum_over_time(span.n)", {"sum_over_time": [(1, 1), (2, 2), (3, 3)]}),
        ("{ } | by(span.kind) | count() > 0 | sum_over_time(span.n)", {"sum_over_time": [(1, 1), (3, 3)]}),
        ("{} | max_over_time(duration) by (span.kind)", {"a": [(1, 1), (3, 3)], "b": [(2, 2)]}),
        ("{} | quantile_over_time(span.n, .5, 1)", {0.5: [(1, 1), (3, 3)], 1.0: [(2, 2)]}),
        ("{} | histogram_over_time(span.n)", {1.0: [(1, 1)], 2.0: [(2, 2)], 4.0: [(3, 3)]}),
        ("{} | count_over_time() > 1", {"count_over_time": [(1, 2), (2, 2)]}),
        ("({} | count_over_time()) * 10", {"count_over_time": [(1, 20), (2, 20), (3, 10)]}),
        ("{} | count_over_time() by (span.kind) | topk(1)", {"a": [(1, 1), (3, 1)]}),
        ("{ span.n = 9 } | rate()", {}),
        ("{} >> {} | rate()", {}),
        ("{ rootName = `3` } | count_over_time()", {"count_over_time": [(3, 1)]}),
        ("{ span.n > 1 } | by(span.kind) | count() > 0 | count_over_time()", {"count_over_time": [(2, 1), (3, 1)]}),
    ],
)
def test_values(measured: Lake, query: str, exemplars: dict[object, list[tuple[int, float]]]) -> None:
    assert shown(measured, query, SHORT) == exemplars


@pytest.mark.parametrize("most", [1, 2, 3, MOST])
@pytest.mark.parametrize(
    "query",
    [
        "({} | rate()) / ({} | count_over_time())",
        "({} | rate() by (span.kind)) / ({} | rate())",
        "({} | rate() by (span.kind)) + ({} | rate() by (span.kind)) > 0",
    ],
)
def test_exemplars_of_arithmetic_are_bounded_in_all(measured: Lake, query: str, most: int) -> None:
    found = [each.labels[0] for line in measured.lines(query, SHORT, exemplars=most) for each in line.exemplars]
    assert 0 < len(found) == len(set(found)) <= min(most, 3)


def test_compare_shows_them_with_the_totals_of_a_side(measured: Lake) -> None:
    lines = measured.lines("{} | compare({ span.kind = `a` })", SHORT, exemplars=MOST)
    found = {line.labels: [exemplar.value for exemplar in line.exemplars] for line in lines if line.exemplars}
    name = ("name", "nil")
    assert found == {
        (("__meta_type", "baseline_total"), name): [1],
        (("__meta_type", "selection_total"), name): [1, 1],
    }


def test_labels_and_time(measured: Lake) -> None:
    (line,) = measured.lines("{ span.n = 3 } | rate() by (span.kind)", RANGE, exemplars=5)
    labels = (("trace:id", trace_id(3).hex()), ("span.kind", "a"))
    assert line.exemplars == (Exemplar(labels, NOON + MINUTE + 7 * MS, 1 / 60),)


def test_none_unless_asked_for(measured: Lake) -> None:
    assert [line.exemplars for line in measured.lines("{} | rate()", RANGE)] == [()]


# from where


def test_rare_spans_are_found_in_large_blocks(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add(*(At(n, trace=n, start=n, attributes={"rare": n == 39_990}) for n in range(1, 40_001)))
    assert shown(lake, "{ span.rare = true } | count_over_time()") == {"count_over_time": [(39_990, 1)]}
    assert len(shown(lake, "{} | count_over_time()")["count_over_time"]) == 1
    lake.close()


def test_many_blocks_are_looked_through_at_all_times(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for n in range(40):
        lake.add(At(n + 1, trace=n + 1, start=n * MINUTE))
    assert len(shown(lake, "{} | count_over_time()")["count_over_time"]) == 40
    lake.close()
