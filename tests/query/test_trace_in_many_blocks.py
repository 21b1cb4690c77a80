"""A trace's spans count together, wherever they are stored."""

from collections.abc import Iterator

import pytest

from spanlake.store.blocks.block import arrival_order
from spanlake.store.days import day_range, utc_day
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import MergePolicy
from tests.query.kit import HOUR, MINUTE, NOON, SECOND, TENANT, At, Lake, trace_id

# 1 ─ 2 ─ 3
#   │   └ 4
#   └ 5        6 has lost its parent, 7 is its child; 8 is a second root, 9 its child
TREE = (
    At(1, name="root", attributes={"k": "a"}),
    At(2, 1, name="b", attributes={"k": "b"}),
    At(3, 2, name="c", attributes={"k": "c"}, status=2),
    At(4, 2, name="d", attributes={"k": "c"}),
    At(5, 1, name="e", attributes={"k": "b"}, length=30 * SECOND),
    At(6, 99, name="orphan", attributes={"k": "a"}),
    At(7, 6, name="stray", attributes={"k": "c"}),
    At(8, name="second", attributes={"k": "a"}),
    At(9, 8, name="f", attributes={"k": "b"}),
)
IN_SLICES = MergePolicy(sliced_spans=1, row_group_spans=2)
NOISE = tuple(At(100 + n, 0 if n == 0 else 100, trace=2, attributes={"k": "z"}) for n in range(3))


def spread(step: int, first: int = 0) -> list[At]:
    """The tree with a time between its spans."""
    return [At(**{**vars(one), "start": first + n * step}) for n, one in enumerate(TREE)]


LAYOUTS = {
    "one block": (spread(0), False),
    "a block a span": (spread(0), True),
    "minutes apart": (spread(7 * MINUTE), True),
    "over midnight": (spread(MINUTE, 12 * HOUR - 4 * MINUTE), False),
    "over midnight, a block a span": (spread(MINUTE, 12 * HOUR - 4 * MINUTE), True),
    "backwards": (spread(0)[::-1], True),
    "in slices, minutes apart": (spread(7 * MINUTE), True),
    "in slices, over midnight": (spread(MINUTE, 12 * HOUR - 4 * MINUTE), True),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    spans, apart = LAYOUTS[request.param]
    lake = Lake(tmp_path_factory.mktemp("layout"))
    (lake.add_apart if apart else lake.add)(*spans)
    lake.add(*NOISE)
    if "in slices" in request.param:
        compactor = Compactor(lake.objects, lake.index, merge_policy=IN_SLICES)
        blocks = sorted(lake.index.find(TENANT, *day_range(utc_day(NOON))), key=arrival_order)
        for part in (blocks[::2], blocks[1::2]):
            compactor.run(Merge(tuple(part)))
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('{ span.k = "b" }', "b e f"),
        ('{ span.k = "a" } && { span.k = "c" }', "c d orphan root second stray"),
        ('{ span.k = "a" } && { span.k = "z" }', ""),
        ('{ span.k = "z" } || { status = error }', "100 101 102 c"),
        ('{ name = "root" } > {}', "b e"),
        ('{ name = "root" } >> {}', "b c d e"),
        ('{ name = "root" } >> { name = "c" }', "c"),
        ('{ name = "c" } << { name =~ "root|second" }', "root"),
        ('{ name = "c" } < {}', "b"),
        ('{ name = "c" } ~ {}', "d"),
        ('{ name = "root" } ~ {}', ""),
        ('{ name = "root" } !>> { span.k = "b" }', "f"),
        ('{ name = "root" } !> { span.k = "c" }', "c d stray"),
        ('{ name = "c" } !< { span.k = "b" }', "e f"),
        ('{ name = "c" } !<< { span.k = "a" }', "orphan second"),
        ('{ name = "c" } !~ { span.k = "c" }', "c stray"),
        ('{ name = "root" } &> { span.k = "b" }', "b e root"),
        ('{ name = "root" } &>> { name = "c" }', "c root"),
        ('{ status = error } &<< { span.k = "a" }', "c root"),
        ("{ status = error } &< {}", "b c"),
        ('{ name = "b" } &~ {}', "b e"),
        ('{ name = "orphan" } > {}', "stray"),
        ('{ name = "orphan" } >> {}', "stray"),
        ('({ name = "root" } > { name = "b" }) > { status = error }', "c"),
        ('{ name = "root" } >> ({ name = "c" } || { name = "e" })', "c e"),
        ("{ nestedSetParent < 0 }", "100 root second"),
        ("{ nestedSetParent = 0 }", "orphan stray"),
        ("{ span:childCount = 2 }", "100 b root"),
        ('{ name = "f" && rootName != "f" }', "f"),
        ('{ span.k = "a" } | count() = 3', "orphan root second"),
        ('{ span.k = "a" } | count() = 4', ""),
        ('{ span.k = "c" } | by(status) | count() = 2', "d stray"),
        ("{ trace:duration >= 30s && status = error }", "c"),
    ],
)
def test_answer_does_not_depend_on_layout(lake: Lake, query: str, names: str) -> None:
    assert lake.names(query) == names.split()


def test_header_is_of_the_whole_trace(lake: Lake) -> None:
    (found,) = lake.search("{ status = error }")
    assert found.header.root_name in {"root", "second"}
    assert found.header.services["shop"].spans == len(TREE)
    assert found.header.services["shop"].errors == 1
    assert found.sets[0].matched == 1


STRANGE = {
    "itself": [At(1, 1)],
    "two of each other": [At(1, 2), At(2, 1)],
    "below a root, an id in a circle": [At(1), At(2, 1), At(2, 2), At(2, 2)],
    "all of one id": [At(1), *[At(1, 1) for _ in range(20)]],
    "ids twice at every level": [At(1), *[At(n // 2 + 1, n // 2) for n in range(2, 60)]],
    "no root": [At(2, 1), At(3, 2)],
    "several roots of one id": [At(1), At(1), At(2, 1)],
    "a chain": [At(1), *[At(n, n - 1) for n in range(2, 300)]],
}
OPERATORS = ("&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~")


@pytest.mark.parametrize("shape", STRANGE)
def test_strange_shapes_do_no_harm(shape: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = Lake(tmp_path_factory.mktemp("strange"))
    own.add(*STRANGE[shape])
    for operator in OPERATORS:
        found = own.names(f"{{}} {operator} {{}}")
        assert len(found) <= len(STRANGE[shape])
    distinct = len({repr(one) for one in STRANGE[shape]})
    assert len(own.names("{}")) == distinct
    assert own.names(f"{{}} | count() = {distinct}") == own.names("{}")
    assert len(own.names("{} | select(nestedSetLeft, span:childCount)")) == distinct
    own.close()


def test_spans_of_a_doubled_id_count_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = Lake(tmp_path_factory.mktemp("doubled"))
    own.add(At(1, name="root"), At(2, 1, name="client"), At(2, 1, name="server"), At(3, 2, name="below"))
    assert own.names('{ name = "root" } >> {}') == ["below", "client", "server"]
    assert own.names('{ name = "client" } > {}') == ["below"]
    own.close()


def test_spans_that_come_again_after_compaction_are_shown_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A compacted block has columns that a fresh one lacks; the rows are the same spans all the same."""
    own = Lake(tmp_path_factory.mktemp("again"))
    own.add_apart(At(1, name="root"), At(2, 1, name="child"))
    compactor = Compactor(own.objects, own.index)
    (merge,) = compactor.plan(TENANT, utc_day(NOON), settle=True)
    assert compactor.run(merge)
    own.add(At(2, 1, name="child"))
    found = own.querier.trace(TENANT, trace_id(1))
    assert found is not None
    assert found["name"].to_pylist() == ["root", "child"]
    own.close()
