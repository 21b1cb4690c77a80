"""Lakes for the tests of queries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.query.kit import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """An empty lake of the test's own."""
    lake = Lake(tmp_path)
    yield lake
    lake.close()
