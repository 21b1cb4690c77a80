"""Differences of two traces as text, from answers of the API."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from spanlake.cli.client.difference import parse_difference
from spanlake.cli.errors import MalformedAnswer
from spanlake.cli.render.difference import show_difference


def side(ms: float, spans: int = 1, errors: int = 0) -> dict[str, Any]:
    return {"spans": spans, "errors": errors, "totalMs": ms}


def node(id_: int, parent: int | None, name: str, left: Any = None, right: Any = None) -> dict[str, Any]:
    return {"id": id_, "parent": parent, "service": "shop", "name": name, "left": left, "right": right}


ANSWER = {
    "left": {"durationMs": 120.0, "spans": 5},
    "right": {"durationMs": 300.0, "spans": 4},
    "nodes": [
        node(7, None, "GET /", side(120), side(300)),
        node(2, 3, "SELECT", side(9, spans=2), side(9, spans=3)),
        node(3, 7, "cart", side(50), side(51)),
        node(4, 7, "mail", side(10)),
        node(5, 7, "pay", None, side(200, errors=1)),
    ],
}


def shown(answer: dict[str, Any], columns: int = 100) -> list[str]:
    written = StringIO()
    show_difference(Console(file=written, width=columns), parse_difference(answer))
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_operations_are_below_the_one_above_them_in_the_order_of_the_answer() -> None:
    names = [line.split()[1:3] for line in shown(ANSWER)[1:6]]
    assert [" ".join(each).split(" ")[0] for each in names] == ["GET", "cart", "SELECT", "mail", "pay"]
    assert shown(ANSWER)[3].startswith("    shop  SELECT")


def test_each_operation_has_its_durations_and_the_change() -> None:
    rows = [line.split() for line in shown(ANSWER)[1:6]]
    assert rows[0][3:] == ["120ms", "300ms", "+180ms"]
    assert rows[1][2:] == ["50ms", "51ms"]  # alike
    assert rows[2][2:] == ["2x", "9ms", "3x", "9ms", "+0s"]
    assert rows[3][2:] == ["10ms", "-", "gone"]
    assert rows[4][2:] == ["-", "200ms", "1", "error", "new"]
    assert shown(ANSWER)[-2:] == ["First: 5 spans, 120ms", "Second: 4 spans, 300ms"]


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 200])
def test_lines_fit_the_terminal(columns: int) -> None:
    assert max(map(len, shown(ANSWER, columns)[:-2])) <= columns


@pytest.mark.parametrize(
    "nodes",
    [
        [node(1, 2, "an orphan")],
        [node(1, 2, "a circle"), node(2, 1, "a circle")],
        [node(1, None, "no number", side(float("nan")))],
        [node(1, None, "endless", side(float("inf")))],
    ],
)
def test_malformed_difference_is_refused(nodes: list[dict[str, Any]]) -> None:
    with pytest.raises(MalformedAnswer):
        parse_difference({**ANSWER, "nodes": nodes})
