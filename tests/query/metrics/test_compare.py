"""compare(): how often the values of attributes occur in a selection, and in the other spans."""

import json
from pathlib import Path
from typing import Any

import pytest

from spanlake.query.engine.session import ComparePolicy, QueryPolicy
from spanlake.query.limits import LimitExceeded, Limits
from spanlake.query.time_range import Steps
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import arrival_order
from spanlake.store.blocks.trace_columns import add_trace_columns
from spanlake.store.maintenance import merge
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from tests.query.kit import MINUTE, NOON, SECOND, TENANT, At, Lake, request, steps

STEP = 10 * SECOND
WHOLE = Steps.whole(NOON - MINUTE, NOON + MINUTE)

Counts = dict[tuple[str, Any], tuple[float | None, ...]]


def compared(lake: Lake, q: str, name: str, when: Steps = WHOLE) -> Counts:
    """The series of one attribute by their kind and value; integers, booleans and floats are told apart by type."""
    return compared_all(lake, q, when).get(name, {})


def compared_all(lake: Lake, q: str, when: Steps = WHOLE) -> dict[str, Counts]:
    """The series of every attribute."""
    found: dict[str, Counts] = {}
    for one in lake.lines(q, when):
        (meta, kind), (attribute, value) = one.labels
        assert meta == "__meta_type"
        found.setdefault(attribute, {})[str(kind), _hashable(value)] = one.values
    return found


def _hashable(value: Any) -> Any:
    """Lists and maps as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def totals(found: Counts) -> dict[tuple[str, Any], float]:
    """Sums the counts over all points."""
    return {key: sum(value or 0 for value in values) for key, values in found.items()}


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """Two failed and three other spans of two services, in two steps."""
    lake.add(
        At(1, name="buy", service="web", start=1, status=2, kind=2, attributes={"code": 500, "user": "ann"}),
        At(2, 1, name="pay", service="bank", start=2, status=2, message="broke", attributes={"code": 500}),
        At(3, name="buy", service="web", start=3, trace=2, kind=2, attributes={"code": 200, "user": "ann"}),
        At(4, name="buy", service="web", start=STEP + 1, trace=3, kind=2, attributes={"code": 200, "user": "bob"}),
        At(5, 4, name="pay", service="bank", start=STEP + 2, trace=3, attributes={"code": "none"}),
    )
    return lake


@pytest.mark.parametrize(
    ("name", "baseline", "selection"),
    [
        ("name", {"buy": 2, "pay": 1}, {"buy": 1, "pay": 1}),
        ("status", {"unset": 3}, {"error": 2}),
        ("statusMessage", {"": 3}, {"": 1, "broke": 1}),
        ("kind", {"server": 2, "unspecified": 1}, {"server": 1, "unspecified": 1}),
        ("resource.service.name", {"web": 2, "bank": 1}, {"web": 1, "bank": 1}),
        ("rootName", {"buy": 3}, {"buy": 2}),
        ("rootServiceName", {"web": 3}, {"web": 2}),
        ("span:childCount", {0: 2, 1: 1}, {0: 1, 1: 1}),
        ("instrumentation:name", {"": 3}, {"": 2}),
        ("span.code", {200: 2, "none": 1}, {500: 2}),
        ("span.user", {"ann": 1, "bob": 1}, {"ann": 1}),
        ("resource.k8s.pod.name", {}, {}),
        ("duration", {}, {}),
        ("span:id", {}, {}),
        ("trace:id", {}, {}),
    ],
)
def test_values_are_counted_on_either_side(
    shop: Lake, name: str, baseline: dict[Any, int], selection: dict[Any, int]
) -> None:
    found = totals(compared(shop, "{} | compare({ status = error })", name))
    expected: dict[tuple[str, Any], float] = {}
    for kind, values in (("baseline", baseline), ("selection", selection)):
        expected |= {(kind, value): count for value, count in values.items()}
        expected |= {(f"{kind}_total", "nil"): sum(values.values())} if values else {}
    assert found == expected


def test_counts_lie_in_steps(shop: Lake) -> None:
    found = compared(shop, "{} | compare({ status = error })", "span.user", steps(0, 2 * STEP, STEP))
    assert found == {
        ("baseline", "ann"): (0, 1, 0),
        ("baseline", "bob"): (0, 0, 1),
        ("baseline_total", "nil"): (0, 1, 1),
        ("selection", "ann"): (0, 1, 0),
        ("selection_total", "nil"): (0, 1, 0),
    }


@pytest.mark.parametrize(
    ("q", "baseline", "selection"),
    [
        ("{} | compare({})", 0, 5),
        ("{} | compare({ span.nothing = 1 })", 5, 0),
        ("{ name = `pay` } | compare({ status = error })", 1, 1),
        ("{} | compare({ !(status = error) })", 2, 3),
        ("{} | compare({ rootName = `buy` && span:childCount = 1 })", 3, 2),
        ("{ name = `buy` } >> { name = `pay` } | compare({ status = error })", 1, 1),
        ("{} | count() > 1 | compare({ status = error })", 2, 2),
        ("{ name = `nobody` } | compare({ status = error })", 0, 0),
        (f"{{}} | compare({{}}, 10, {NOON + 2}, {NOON + STEP + 1})", 3, 2),
        (f"{{}} | compare({{}}, 10, {NOON + 1}, {NOON + STEP})", 3, 2),
    ],
)
def test_spans_are_chosen_by_filter_selection_and_window(shop: Lake, q: str, baseline: int, selection: int) -> None:
    found = totals(compared(shop, q, "kind"))
    assert (found.get(("baseline_total", "nil"), 0), found.get(("selection_total", "nil"), 0)) == (baseline, selection)
    joined = totals(compared(shop, q, "rootName"))
    assert (joined.get(("baseline_total", "nil"), 0), joined.get(("selection_total", "nil"), 0)) == (
        baseline,
        selection,
    )


@pytest.mark.parametrize("top", [1, 2, 3])
def test_the_most_frequent_values_are_shown_and_all_counted(lake: Lake, top: int) -> None:
    wanted = {"a": 3, 7: 2, True: 1}  # of several types, which compete
    spans = [value for value, count in wanted.items() for _ in range(count)]
    lake.add(*(At(n + 1, attributes={"x": value}) for n, value in enumerate(spans)))
    found = totals(compared(lake, f"{{}} | compare({{ status = error }}, {top})", "span.x"))
    shown = {("baseline", value): count for value, count in list(wanted.items())[:top]}
    assert found == {**shown, ("baseline_total", "nil"): 6}


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        (["a", ["a"], ["a", "b"], ["b", "a"]], {"a": 1, '["a"]': 1, '["a", "b"]': 1, '["b", "a"]': 1}),
        ([1, [1], [], [1, 2.5]], {1: 1, "[1]": 1, "[]": 1, "[1, 2.5]": 1}),
        ([2.5, [2.5, 3.5]], {2.5: 1, "[2.5, 3.5]": 1}),
        ([b"x", {"k": "v"}], {"eA==": 1, '{"k": "v"}': 1}),
        (["", "nil"], {"": 1, "nil": 1}),
    ],
)
def test_lists_and_untyped_values(lake: Lake, values: list[Any], counted: dict[Any, int]) -> None:
    lake.add(*(At(n + 1, attributes={"x": value}) for n, value in enumerate(values)))
    found = totals(compared(lake, "{} | compare({ status = error })", "span.x"))
    assert found == {
        **{("baseline", value): count for value, count in counted.items()},
        ("baseline_total", "nil"): len(values),
    }


def test_names_are_quoted_and_scopes_told_apart(lake: Lake) -> None:
    lake.add(At(1, attributes={"a b": 1}, resource={"a b": 2}, scope={"a b": 3}))
    for scope, value in (("span", 1), ("resource", 2), ("instrumentation", 3)):
        assert ("baseline", value) in compared(lake, "{} | compare({ status = error })", f'{scope}."a b"')


def test_kin_in_other_blocks_count(lake: Lake) -> None:
    lake.add_apart(At(2, 1, service="late"), At(1, name="root"), At(3, 1), At(4, 9, trace=2))
    q = "{} | compare({ status = error })"
    assert totals(compared(lake, q, "rootName")) == {
        ("baseline", "root"): 3,
        ("baseline", ""): 1,
        ("baseline_total", "nil"): 4,
    }
    assert totals(compared(lake, q, "span:childCount")) == {
        ("baseline", 0): 3,
        ("baseline", 2): 1,
        ("baseline_total", "nil"): 4,
    }


def test_kin_are_found_in_blocks_of_an_older_spanlake(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which compacted blocks without what is told of traces now."""
    lake.add_apart(At(1, name="root"), At(2, 1, status=2), At(3, 1))
    q = "{} | compare({ status = error })"
    expected = compared(lake, q, "rootName"), compared(lake, q, "span:childCount")
    monkeypatch.setattr(merge, "add_trace_columns", lambda table: table)
    blocks = sorted(lake.index.find(TENANT, 0, 2**63 - 1), key=arrival_order)
    assert Compactor(lake.objects, lake.index).run(Merge(tuple(blocks)))
    assert (compared(lake, q, "rootName"), compared(lake, q, "span:childCount")) == expected


@pytest.mark.parametrize("fewest", [1, 3, 100])
@pytest.mark.parametrize(("portion", "few"), [(100, 256), (4, 256), (4, 0)])
def test_kin_are_found_however_blocks_are_compacted(lake: Lake, portion: int, few: int, fewest: int) -> None:
    """Some traces whole in a block that says something of them, some in two blocks, some in blocks that say nothing."""
    parts = [
        [At(1, name="whole", service="a", status=2), At(2, 1), At(3, 1, status=2), At(4, 3)],
        [At(1, name="old", trace=2), At(2, 1, trace=2), At(7, 9, trace=3)],
        [At(1, name="again", service="b", trace=2), At(3, 2, trace=2, status=2), At(9, name="late", trace=3)],
        [At(1, name="new", trace=4), At(2, 1, trace=4)],
    ]
    for part in parts:
        table = decode([request(part)]).table
        lake.add_table(add_trace_columns(table) if table.num_rows >= fewest else table)
    q = "{} | compare({ status = error })"
    expected = compared_all(lake, q)  # so small blocks are not looked at for what they say of traces
    assert {"rootName", "rootServiceName", "span:childCount"} <= expected.keys()
    lake.use(policy=QueryPolicy(compare=ComparePolicy(spans=portion, few_traces=few, noted_spans=fewest)))
    assert compared_all(lake, q) == expected
    for first, last in ((0, 2), (0, 1), (0, 2)):
        blocks = sorted(lake.index.find(TENANT, 0, 2**63 - 1), key=arrival_order)
        assert Compactor(lake.objects, lake.index).run(Merge(tuple(blocks[first:last])))
        assert compared_all(lake, q) == expected
        assert compared_all(lake, "{ status != ok } " + q[2:]) == expected


def test_how_many_facets_are_counted_at_once_does_not_matter(shop: Lake) -> None:
    q = "{} | compare({ status = error })"
    expected = {one.labels: one.values for one in shop.lines(q, WHOLE)}
    shop.use(policy=QueryPolicy(compare=ComparePolicy(columns=3)))
    assert {one.labels: one.values for one in shop.lines(q, WHOLE)} == expected
    chosen = "{ true } | { true } | compare({ status = error })"
    assert {one.labels: one.values for one in shop.lines(chosen, WHOLE)} == expected


def test_of_countless_values_the_frequent_ones_are_found(lake: Lake) -> None:
    lake.add(
        *(At(n, attributes={"id": f"{n}", "at": n / 2, "n": -n, "ids": [n, n]}) for n in range(1, 801)),
        *(At(n, status=2, attributes={"id": "often", "at": 0.0, "n": 0}) for n in range(801, 811)),
    )
    q = "{} | compare({ status = error }, 2)"
    for name, often in (("span.id", "often"), ("span.at", 0.0), ("span.n", 0)):
        found = totals(compared(lake, q, name))
        once = [count for (kind, _), count in found.items() if kind == "baseline"]
        assert (once, found["baseline_total", "nil"]) == ([1, 1], 800)
        assert (found["selection", often], found["selection_total", "nil"]) == (10, 10)


@pytest.mark.parametrize(
    ("limits", "message"),
    [(Limits(threads=1, values=20), "more than 20 values"), (Limits(threads=1, points=50), "more than 50 points")],
)
def test_limits(tmp_path: Path, limits: Limits, message: str) -> None:
    lake = Lake(tmp_path, limits)
    lake.add(*(At(n, attributes={"x": n}) for n in range(1, 50)))
    with pytest.raises(LimitExceeded, match=message):
        lake.lines("{} | compare({ status = error }, 100)", WHOLE)
    lake.close()


def test_nothing_stored(lake: Lake) -> None:
    assert lake.lines("{} | compare({ status = error })", WHOLE) == []


def test_what_the_filter_names_counts_once(lake: Lake) -> None:
    lake.add(At(1, service="web", start=1), At(2, 1, service="web", start=2), At(3, 1, service="bank", start=3))
    q = '{ resource.service.name = "web" } | compare({ status = error })'
    assert totals(compared(lake, q, "resource.service.name")) == {
        ("baseline", "web"): 2,
        ("baseline_total", "nil"): 2,
    }
