"""The order and sharing of test files name what there is."""

from pathlib import Path

from tests.distribution import LONGEST_FIRST, TOGETHER, place, unknown

_ROOT = Path(__file__).parents[1]
FILES = [str(path.relative_to(_ROOT)) for path in (_ROOT / "tests").rglob("test_*.py")]


def test_every_beginning_of_a_path_has_test_files() -> None:
    assert unknown([*LONGEST_FIRST, *TOGETHER], FILES) == []


def test_files_of_a_folder_come_before_those_that_are_not_named() -> None:
    assert place("tests/infra/test_api.py::test_a") < place("tests/scenarios/chaos/test_chaos.py::test_b")
    assert place("tests/traceql/test_lexer.py::test_c") == len(LONGEST_FIRST)
