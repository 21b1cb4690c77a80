"""Edges of the tests' own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge_process import SpanlakeEdge

StartEdge = Callable[..., SpanlakeEdge]


@pytest.fixture
def start_edge(tmp_path: Path) -> Iterator[StartEdge]:
    """Starts edges that take requests; stopped at the end."""
    running: list[SpanlakeEdge] = []

    def start(*arguments: str, data: Path | None = None) -> SpanlakeEdge:
        ending = ("--drain-seconds", "20", "--unready-seconds", "0")
        edge = SpanlakeEdge(data or tmp_path / "data", (*ending, *arguments))
        running.append(edge)
        edge.wait_until_ready()
        return edge

    yield start
    for edge in running:
        if edge.status is None:
            edge.stop()
