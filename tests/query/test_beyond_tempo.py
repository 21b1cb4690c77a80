"""What spanlake answers and Tempo refuses: the parent scope, and scalars computed from sets of spans."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.traceql import Dialect
from tests.query.kit import SECOND, At, Lake

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
    lake = Lake(tmp_path_factory.mktemp("beyond"), dialect=Dialect.extended())
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
    ],
)
def test_parent_scope(lake: Lake, query: str, names: str) -> None:
    assert lake.names(query) == names.split()


def test_parent_scope_groups(lake: Lake) -> None:
    (found,) = lake.search('{ parent.span.n > 0 && name != "" } | by(parent.name)')
    assert sorted(span.name for spans in found.sets for span in spans.spans) == ["call", "work"]
    assert len(found.sets) == 2


def test_first_of_several_spans_with_an_id_is_the_parent(tmp_path: Path) -> None:
    lake = Lake(tmp_path, dialect=Dialect.served())
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
        ("({ kind = server } | count()) = ({ kind = client } | count())", [1]),
        ("({ kind = server } | count()) + ({ status = error } | count()) = 4", [1]),
    ],
)
def test_scalars(lake: Lake, query: str, traces: list[int]) -> None:
    assert sorted(lake.traces(query)) == traces
