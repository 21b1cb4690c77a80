"""A span that ends before it starts, or that has no end, has lasted 0 in every answer."""

from collections.abc import Iterator

import pytest

from tests.query.kit import NOON, SECOND, At, Lake, steps


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("negative"))
    lake.add(
        At(1, name="backwards", length=-SECOND),
        At(2, trace=2, name="no end", length=-NOON),
        At(3, trace=3, name="at once", length=0),
        At(4, trace=4, name="second", length=SECOND),
        At(5, 1, name="child", length=2 * SECOND),
    )
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("duration < 0ns", []),
        ("duration < -1ns", []),
        ("duration <= 0ns", ["at once", "backwards", "no end"]),
        ("duration = 0ns", ["at once", "backwards", "no end"]),
        ("duration != 0ns", ["child", "second"]),
        ("duration >= 0ns", ["at once", "backwards", "child", "no end", "second"]),
        ("duration < 1ns", ["at once", "backwards", "no end"]),
        ("0ns < duration", ["child", "second"]),
        ("duration > 1s", ["child"]),
        ("duration >= 1s", ["child", "second"]),
        ("duration = 1s", ["second"]),
        ("duration + 1s < 1s", []),
        ("duration = 1s || duration = 0ns", ["at once", "backwards", "no end", "second"]),
    ],
)
def test_filter(lake: Lake, condition: str, names: list[str]) -> None:
    assert lake.names(f"{{ {condition} }}") == names


@pytest.mark.parametrize("function", ["min", "max", "avg", "sum"])
def test_metrics(lake: Lake, function: str) -> None:
    found = lake.series(f"{{}} | {function}_over_time(duration) by (name)", steps(0, 0, SECOND))
    lasted = {"backwards": 0, "no end": 0, "at once": 0, "second": 1, "child": 2}
    assert found == {(name,): (seconds,) for name, seconds in lasted.items()}


def test_values(lake: Lake) -> None:
    assert lake.values("duration") == [("duration", "0s"), ("duration", "1s"), ("duration", "2s")]
