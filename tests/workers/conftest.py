"""Edges of the tests' own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers.edge import SpanlakeEdge

StartEdge = Callable[..., SpanlakeEdge]


@pytest.fixture
def start_edge(tmp_path: Path) -> Iterator[StartEdge]:
    """Starts edges with two workers unless told otherwise, all of which take requests."""
    running: list[SpanlakeEdge] = []

    def start(*arguments: str, workers: int = 2, data: Path | None = None) -> SpanlakeEdge:
        ending = ("--drain-seconds", "20", "--unready-seconds", "0")
        edge = SpanlakeEdge(data or tmp_path / "data", ("--workers", str(workers), *ending, *arguments))
        running.append(edge)
        edge.wait_until_ready()
        edge.wait_for_workers(workers)
        return edge

    yield start
    for edge in running:
        if edge.status is None:
            edge.stop()
