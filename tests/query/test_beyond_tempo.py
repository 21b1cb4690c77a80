"""Tests queries that spanlake answers and Tempo refuses: the parent scope, and scalars computed from sets of spans."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.query.time_range import Steps
from tests.query.kit import MINUTE, NOON, SECOND, At, Lake

ERROR, SERVER, CLIENT = 2, 2, 3

SPANS = (
    At(1, name="root", service="web", length=4 * SECOND, kind=SERVER, attributes={"n": 1}),
    At(2, 1, name="call", service="web", length=3 * SECOND, kind=CLIENT, attributes={"n": 2}),
    At(3, 2, name="work", service="cart", length=2 * SECOND, kind=SERVER, status=ERROR, resource={"zone": "b"}),
    At(4, 3, name="query", service="cart", length=SECOND, kind=CLIENT, status=ERROR),
    At(5, 9, name="stray", service="cart"),
    At(6, name="other", trace=2, service="web", length=SECOND, kind=SERVER),
    At(7, 6, name="below", trace=2, service="cart", length=SECOND),
)


@pytest.fixture(scope="module", params=["one block", "a block a span"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    lake = Lake(tmp_path_factory.mktemp("beyond"))
    (lake.add if request.param == "one block" else lake.add_apart)(*SPANS)
    yield lake
    lake.close()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('{ parent.resource.service.name = "cart" }', "query"),
        ('{ parent.resource.service.name = "web" }', "below call work"),
        ('{ parent.resource.zone = "b" }', "query"),
        ("{ parent.duration > 2s }", "call work"),
        ("{ parent.duration > 2s && kind = client }", "call"),
        ('{ parent.name =~ "r.*t|work" }', "call query"),
        ("{ parent.span.n = 1 }", "call"),
        ("{ parent.n < span.n }", "call"),
        ("{ parent.status = error }", "query"),
        ("{ parent.kind = kind }", ""),
        ("{ parent.duration = duration }", "below"),
        ("{ resource.service.name != parent.resource.service.name }", "below work"),
        ('{ parent.name = "root" } > { parent.name = "call" }', "work"),
        ('{ parent.name = "missing" }', ""),
        ("{ parent = nil }", "other root stray"),
        ("{ parent != nil }", "below call query work"),
        ("{ parent.resource.zone != nil && true }", "query"),
        ("{ -(3 / 2) * parent.n + .n = 1 }", "call"),
        ("{ parent.trace:duration > 2s }", "call query work"),
        ('{ parent.rootName = "other" }', "below"),
        ('{ parent.span:id = "0000000000000002" }', "work"),
        ("{ parent.kind = server } >> { parent.status = error }", "query"),
    ],
)
def test_parent_scope(lake: Lake, query: str, names: str) -> None:
    assert lake.names(query) == names.split()


def test_parent_scope_groups(lake: Lake) -> None:
    (found,) = lake.search('{ parent.span.n > 0 && name != "" } | by(parent.name)')
    assert sorted(span.name for spans in found.sets for span in spans.spans) == ["call", "work"]
    assert len(found.sets) == 2


def test_first_of_several_spans_with_an_id_is_the_parent(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.add_apart(At(1), At(2, 1, name="client"), At(2, 1, name="server"), At(3, 2, name="below"))
    assert lake.names('{ parent.name = "client" }') == ["below"]
    assert lake.names('{ parent.name = "server" }') == []
    assert lake.names('{ parent.name =~ ".+" }') == ["below", "client", "server"]
    lake.close()


@pytest.mark.parametrize(
    ("query", "traces"),
    [
        ("{} | max(duration) > 1.5 * avg(duration)", [1]),  # 4s beside an average of a little more than 2s
        ("{} | max(duration) > 2 * avg(duration)", []),
        ("{} | max(duration) >= avg(duration)", [1, 2]),
        ("{} | count() * 2 > 4", [1]),
        ("{} | count() * 2 >= 4", [1, 2]),
        ("{} | count() - 1 = 1", [2]),
        ("({ status = error } | count() > 1) && { kind = server }", [1]),
        ("({ status = error } | count() > 2) && { kind = server }", []),
        ('({ status = error } | count() > 2) || { name = "other" }', [2]),
        ("2 < count()", [1]),
        ("min(.n) < max(duration)", [1]),
        ("sum(.n) = min(.n)", []),
        ("min(.n) + max(.n) = 3", [1]),
        ("{ kind = server } | max(.n) - min(.n) = 0", [1]),
        ("{ .n > 0 } | max(1 - (2 + .n)) < avg(3 * duration)", [1]),
        ("{} | max(parent.n) = 2", [1]),
        ("{} | max(parent.n) = 1", []),
        ("{} | count() + count() = 4", [2]),
        ("{} | by(resource.service.name) | max(duration) - min(duration) = 1s", [1]),  # of web in trace 1
        ("({} | count()) - ({} | count()) <= 1", [1, 2]),
        ('({} | count()) / ({ status = error } | count()) < ({} | count()) / ({ name = "root" } | count())', [1]),
        ('({ status = error } | count()) + ({ name = "root" } | sum(.n)) = 3', [1]),
        ("({ kind = server } | count()) = ({ kind = client } | count())", [1]),
        ("({ kind = server } | count()) + ({ status = error } | count()) = 4", [1]),
    ],
)
def test_scalars(lake: Lake, query: str, traces: list[int]) -> None:
    assert sorted(lake.traces(query)) == traces


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("({ status = error } | count() > 1) && { kind = client }", "call query work"),
        ("({ status = error } | count() > 1) >> { kind = client }", "query"),
        ("{ kind = server } >> ({ status = error } | count() > 1)", "query work"),
        ("({ status = error } | count() > 1) | { kind = client }", "query"),
        ("(({ kind = server } | count() > 1) && { status = error }) | count() > 2", "query root work"),
        ("(({ kind = server } | count() > 1) && { status = error }) | count() > 3", ""),
        ("({ kind = server } | count()) = ({ kind = client } | count())", "call query root work"),
    ],
)
def test_pipelines_among_spansets(lake: Lake, query: str, names: str) -> None:
    assert lake.names(query) == names.split()


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("({ status = error } | count() > 1) | count_over_time()", 2),
        ("{} | max(duration) > 1.5 * avg(duration) | count_over_time()", 5),
        ("(({} | count_over_time()) * 2 > 1) + ({} | count_over_time())", 21),
        ("{ parent.kind = server } | avg_over_time(parent.duration)", 7 / 3),
    ],
)
def test_metrics(lake: Lake, query: str, value: float) -> None:
    ((found,),) = lake.series(query, Steps.whole(NOON - 1, NOON + MINUTE)).values()
    assert found == pytest.approx(value)


def test_metrics_of_more_than_five_labels(lake: Lake) -> None:
    labels = "name, kind, status, resource.service.name, span.n, parent.name"
    found = lake.series(f"{{ .n = 2 }} | count_over_time() by ({labels})", Steps.whole(NOON - 1, NOON + MINUTE))
    assert found == {("call", "client", "unset", "web", 2, "root"): (1,)}
