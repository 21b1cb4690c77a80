"""Where spans stand: a law for every shape of trace, and what the usual ones look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.cli.client.trace import Trace, parse_trace
from spanlake.cli.render.span_tree import Place, arranged
from spanlake.cli.render.terminal import ASCII, UNICODE
from tests.cli.spans import of_service, span, trace
from tests.cli.tempo import trace_answer


def read(*parents: tuple[int, int]) -> Trace:
    """A trace of spans with these ids and parents, in this order."""
    spans = (span(str(number), number, parent, start_ms=n) for n, (number, parent) in enumerate(parents))
    return parse_trace(trace_answer(trace([of_service("s", *spans)])))


def drawn(*parents: tuple[int, int]) -> list[str]:
    """The names with what leads to them."""
    return [f"{node.guides}{node.span.message.name}" for node in arranged(read(*parents).spans, UNICODE)]


@pytest.mark.parametrize(
    ("parents", "lines"),
    [
        ([(1, 0)], ["1"]),
        ([(1, 0), (2, 1), (3, 2), (4, 1)], ["1", "├╴2", "│ └╴3", "└╴4"]),
        ([(1, 0), (2, 1), (3, 2)], ["1", "└╴2", "  └╴3"]),
        ([(2, 1), (1, 0)], ["1", "└╴2"]),
        ([(1, 0), (2, 0), (3, 1)], ["1", "└╴3", "2"]),
        ([(2, 9), (3, 9), (4, 2)], ["2", "└╴4", "3"]),
        ([(1, 1)], ["1"]),
        ([(1, 2), (2, 3), (3, 1), (4, 2)], ["1", "└╴3", "  └╴2", "    └╴4"]),
        ([(1, 0), (1, 0), (2, 1)], ["1", "└╴2", "1"]),
    ],
)
def test_tree_draws_children_under_parents(parents: list[tuple[int, int]], lines: list[str]) -> None:
    assert drawn(*parents) == lines


def test_tree_marks_orphans_and_cycles() -> None:
    nodes = arranged(read((1, 0), (2, 1), (3, 9), (4, 3), (5, 6), (6, 5)).spans, UNICODE)
    places = {node.span.message.name: node.place for node in nodes}
    assert places == {
        "1": Place.USUAL,
        "2": Place.USUAL,
        "3": Place.ORPHAN,
        "4": Place.USUAL,
        "5": Place.CYCLE,
        "6": Place.USUAL,
    }


def test_tree_reads_parent_of_zeros_as_root() -> None:
    root = span("root", 1)
    root.parent_span_id = bytes(8)
    spans = parse_trace(trace_answer(trace([of_service("s", root)]))).spans
    assert [node.place for node in arranged(spans, UNICODE)] == [Place.USUAL]


IDS = st.integers(1, 12)


@given(st.lists(st.tuples(IDS, st.integers(0, 12)), max_size=30))
def test_tree_contains_every_span_once(parents: list[tuple[int, int]]) -> None:
    spans = read(*parents).spans
    nodes = list(arranged(spans, ASCII))
    assert sorted(map(id, spans)) == sorted(id(node.span) for node in nodes)
    roots = [node for node in nodes if not node.guides]
    assert all(node in roots for node in nodes if node.place is not Place.USUAL)
