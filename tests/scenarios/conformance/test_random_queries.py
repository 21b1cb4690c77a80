"""Random queries about random spans have the answers of the plain evaluator in tests/oracle, stored in any way."""

from pathlib import Path

import pytest

from tests.fuzz import ARRANGEMENTS, THEMES, differences, stored


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("seed", [1, 20])
def test_random_queries(tmp_path: Path, arrangement: str, seed: int) -> None:
    with stored(tmp_path, arrangement) as server:
        found = list(differences(server, seed, 60, THEMES.split(",")))
    assert not found, "\n\n".join(map(str, found))
