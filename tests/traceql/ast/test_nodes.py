import pytest

from spanlake.traceql import ast, parse
from spanlake.traceql.ast.walk import children, depth, span_fields, walk

STRUCTURE = [
    ("&&", None, False, False),
    ("||", None, False, False),
    (">", ast.Relation.CHILD, False, False),
    ("<<", ast.Relation.ANCESTOR, False, False),
    ("!>>", ast.Relation.DESCENDANT, True, False),
    ("!~", ast.Relation.SIBLING, True, False),
    ("&<", ast.Relation.PARENT, False, True),
    ("&~", ast.Relation.SIBLING, False, True),
]


@pytest.mark.parametrize(("symbol", "relation", "negated", "union"), STRUCTURE)
def test_spanset_operator_has_relation_negation_and_union(
    symbol: str, relation: ast.Relation | None, negated: bool, union: bool
) -> None:
    op = ast.SpansetOperator(symbol)
    assert (op.relation, op.is_negated, op.is_union) == (relation, negated, union)


def test_binary_operator_is_of_exactly_one_kind() -> None:
    for op in ast.BinaryOperator:
        assert [op.is_arithmetic, op.is_comparison, op.is_regex, op.is_logical].count(True) == 1


def test_walk_visits_whole_query() -> None:
    query = parse("{ .a = 1 } > { name = .b } | max(duration) > 2s | rate() by (.c) with (x=1)")
    assert [type(node).__name__ for node in children(query)] == ["MetricsPipeline", "Hint"]
    assert [type(node).__name__ for node in walk(query)][:3] == ["Query", "MetricsPipeline", "Pipeline"]
    assert len(list(span_fields(query))) == 5
    assert depth(query) == 7
