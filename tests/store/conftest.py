"""The backends that the suites of Objects and Index run against."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanlake.store.index import Index
from spanlake.store.local import LocalObjects
from spanlake.store.objects import Objects
from spanlake.store.sqlite import SqliteIndex

OBJECTS: dict[str, Callable[[Path], Objects]] = {"local": lambda directory: LocalObjects(directory / "objects")}
INDEXES: dict[str, Callable[[Path], Index]] = {"sqlite": lambda directory: SqliteIndex(directory / "index.db")}


@pytest.fixture(params=OBJECTS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return OBJECTS[request.param](tmp_path)


@pytest.fixture(params=INDEXES)
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Index]:
    """Opens the same index each time, as another process would."""
    return lambda: INDEXES[request.param](tmp_path)


@pytest.fixture
def index(open_index: Callable[[], Index]) -> Iterator[Index]:
    index = open_index()
    yield index
    index.close()
