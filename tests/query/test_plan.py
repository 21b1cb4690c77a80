"""Plans: what a query is made of, and the grain of its parts."""

import pytest

from spanlake.query.plan import Grain, MetricsLeaf, SeriesOperation, plan_metrics, plan_search
from spanlake.traceql import Unsupported, ast, parse, validate


def metrics_leaf(text: str) -> MetricsLeaf:
    root = plan_metrics(validate(parse(text))).root
    assert isinstance(root, MetricsLeaf)
    return root


@pytest.mark.parametrize(
    ("query", "grain"),
    [
        ("{ name = `a` && span.n > 1 }", Grain.SPAN),
        ("{ trace:id = `1` }", Grain.SPAN),
        ("{ traceDuration > 1s }", Grain.TRACE),
        ("{ rootName = `a` }", Grain.TRACE),
        ("{ } | count() > 1", Grain.TRACE),
        ("{ name = `a` } && { name = `b` }", Grain.TRACE),
        ("{ parent.name = `a` }", Grain.TREE),
        ("{ span:childCount > 1 && rootName = `a` }", Grain.TREE),
        ("{ nestedSetLeft > 1 }", Grain.TREE),
        ("{ } >> { }", Grain.TREE),
        ("{ } | by(parent.name)", Grain.TREE),
    ],
)
def test_grain_of_a_search_follows_from_its_fields_and_stages(query: str, grain: Grain) -> None:
    assert plan_search(validate(parse(query))).grain is grain


@pytest.mark.parametrize(
    ("query", "grain"),
    [
        ("{ } | rate() by (name)", Grain.SPAN),
        ("{ } | rate() by (rootName)", Grain.TRACE),
        ("{ } | max_over_time(span:childCount)", Grain.TREE),
        ("{ } | compare({ parent.name = `a` })", Grain.TREE),
    ],
)
def test_grain_of_a_leaf_is_also_that_of_its_function(query: str, grain: Grain) -> None:
    assert metrics_leaf(query).grain is grain


def test_plan_of_metrics_has_operators_over_leaves() -> None:
    root = plan_metrics(validate(parse("(({ } | rate()) / ({ } | count_over_time()) | topk(2)) * 100"))).root
    assert isinstance(root, SeriesOperation)
    ranked, number = root.operands
    assert number == 100.0
    assert isinstance(ranked, SeriesOperation)
    assert isinstance(ranked.operator, ast.Rank)
    (quotient,) = ranked.operands
    assert isinstance(quotient, SeriesOperation)
    assert all(isinstance(leaf, MetricsLeaf) for leaf in quotient.operands)


def test_plan_of_a_number_alone_is_the_number() -> None:
    assert plan_metrics(ast.Query(ast.Static(ast.Type.INT, 2), text="2")).root == 2.0


def test_plan_search_refuses_metrics() -> None:
    with pytest.raises(Unsupported, match="not time series"):
        plan_search(validate(parse("{ } | rate()")))
