"""Random queries about random spans have the answers of the plain evaluator in tests/oracle."""

import pytest

from tests.fuzz import fuzz
from tests.server import SpanlakeServer


@pytest.mark.parametrize("seed", [1, 20, 40])
def test_random_queries(server: SpanlakeServer, seed: int) -> None:
    found = fuzz(server, ["--seed", str(seed), "--rounds", "2", "--queries", "48", "--no-shrink"])
    assert found.returncode == 0, found.stdout
