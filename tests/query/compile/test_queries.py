"""Compiles every recorded query: the same SQL each time, from inputs that stay as they are, with exact needs."""

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache

import pyarrow as pa
import pytest
from sqlglot import exp

from spanlake.query.compile.fields import AttributeSchema
from spanlake.query.compile.filters import compile_filters
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.search import SearchQueries, compile_search
from spanlake.query.compile.series import MetricsQueries, compile_metrics
from spanlake.query.compile.spans import ROW_ID, Compiled, Needs, NestedSetInput, SpanInput
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.inputs import run
from spanlake.query.engine.session import Session
from spanlake.query.limits import Limits
from spanlake.query.plan import Grain, MetricsLeaf, SearchPlan, plan_metrics
from spanlake.query.time_range import Steps
from spanlake.spans.columns import attribute_columns
from spanlake.spans.otlp.decode import decode
from spanlake.spans.schema import FIXED
from spanlake.traceql import TraceQLError, ast, parse, validate
from spanlake.traceql.ast.walk import walk
from tests.query.kit import SECOND, steps
from tests.recorded import answers, bodies

STEPS = steps(0, 60 * SECOND, 10 * SECOND)
_NAMED = re.compile(r"\b([sptcn])\.\"?(\w+)")
_TEXT = re.compile(r"'(?:[^']|'')*'")


@cache
def schema() -> AttributeSchema:
    """The attributes of the recorded spans."""
    return AttributeSchema.of(attribute_columns(decode(list(bodies())).table.schema))


def bank() -> list[ast.Query]:
    """The recorded queries that are valid."""
    found: list[ast.Query] = []
    for text in dict.fromkeys(row["params"]["q"] for row in answers() if "q" in row["params"]):
        try:
            found.append(validate(parse(text)))
        except TraceQLError:
            continue
    return found


QUERIES = bank()


def searches(query: ast.Query) -> Iterator[SearchQueries]:
    """The compiled search of a query, if it is one."""
    if isinstance(query.body, ast.Pipeline):
        yield compile_search(SearchPlan(query.body, query), schema(), 0, 3)


def metrics(query: ast.Query) -> Iterator[MetricsQueries]:
    """The compiled metrics functions of a query."""
    for node in walk(query.body):
        if isinstance(node, ast.MetricsPipeline):
            leaf = MetricsLeaf(SearchPlan(node.spans, query), node.aggregate)
            yield compile_metrics(leaf, schema(), STEPS, is_within=False, exemplars=True)


def compiled(query: ast.Query) -> Iterator[Compiled]:
    """All that a query is compiled to."""
    for search in searches(query):
        yield search.spans.prefilter.traces()
        yield search.traces()
        sets = search.span_sets
        of_spans = exp.select(*sets.computed).from_(exp.table_("spans", alias="s"))
        yield sets.compiled or Compiled(of_spans, (Needs.of(of_spans).spans,))
    for found in metrics(query):
        yield found.series(STEPS, exemplar=True)
        yield found.exemplars_of(Steps(STEPS.first_ns, STEPS.last_ns, SECOND))


def texts(found: Iterator[Compiled]) -> list[tuple[str, str]]:
    """SQL and inputs as text."""
    return [(one.sql.sql("duckdb"), repr(one.inputs)) for one in found]


def test_bank_has_the_recorded_queries() -> None:
    assert len(QUERIES) > 200


def test_compiling_is_deterministic_and_leaves_its_inputs_equal() -> None:
    for query in QUERIES:
        before, known = deepcopy(query), deepcopy(schema())
        first = list(compiled(query))
        printed = texts(iter(first))
        assert texts(compiled(query)) == printed
        assert texts(iter(first)) == printed
        assert (query, schema()) == (before, known)


def named(sql: str) -> set[tuple[str, str]]:
    """The aliases and columns that SQL names as text."""
    return set(_NAMED.findall(_TEXT.sub("''", sql)))


def test_needs_of_filters_equal_the_columns_that_their_sql_names() -> None:
    for query in QUERIES:
        pipelines = [node for node in walk(query.body) if isinstance(node, ast.Pipeline)]
        for filter_ in (one for node in pipelines for one in compile_filters(node, schema()).values()):
            found, columns = Needs.of(filter_.sql), named(filter_.sql.sql("duckdb"))
            assert found.columns == {name for alias, name in columns if alias == "s"}
            assert found.parent_columns == {name for alias, name in columns if alias == "p"}
            joined = (found.trace, found.children, found.nested_sets)
            assert joined == tuple(any(alias == one for alias, _ in columns) for one in "tcn")


def base_of(one: Compiled) -> tuple[exp.Select, SpanInput]:
    """The query that reads spans in the end, and its input."""
    found = one.inputs[0]
    if isinstance(found, SpanInput):
        return one.sql, found
    assert not isinstance(found, NestedSetInput)
    return base_of(found.base)


def spans_of(one: Compiled) -> SpanInput:
    """The spans that a query reads in the end."""
    return base_of(one)[1]


def without_relatives(sql: exp.Select) -> exp.Select:
    """A query without the tables of parents, children and traces, which read a fixed number of columns."""
    found = sql.copy()
    for table in list(found.find_all(exp.CTE)):
        if table.alias in ("twins", "chosen", "ties", "children", "traces"):
            table.pop()
    return found


def test_inputs_of_searches_and_metrics_are_the_columns_that_their_sql_names() -> None:
    for query in QUERIES:
        for one in compiled(query):
            sql, spans = base_of(one)
            sql = without_relatives(sql)
            columns = named(sql.sql("duckdb"))
            needs = Needs.of(sql)
            assert needs.columns == {name for alias, name in columns if alias == "s"} - {ROW_ID}
            assert needs.parent_columns == {name for alias, name in columns if alias == "p"}
            assert spans.columns == needs.stored_columns - {ROW_ID}


def test_plans_are_deterministic_and_leave_queries_equal() -> None:
    for query in QUERIES:
        before = deepcopy(query)
        if not isinstance(query.body, ast.Pipeline):
            assert plan_metrics(query) == plan_metrics(query)
        assert query == before


def test_grain_of_a_plan_is_never_finer_than_that_of_its_sql() -> None:
    for query in QUERIES:
        for search in searches(query):
            grain = search.spans.plan.grain
            tests = (test for filter_ in search.spans.filters.values() for test in filter_.tests)
            assert max((test.needs.grain for test in tests), default=Grain.SPAN) <= grain
        for node in (node for node in walk(query.body) if isinstance(node, ast.MetricsPipeline)):
            leaf = MetricsLeaf(SearchPlan(node.spans, query), node.aggregate)
            queries = compile_metrics(leaf, schema(), STEPS, is_within=False, exemplars=True)
            assert not (queries.are_judged_together and leaf.grain is Grain.SPAN)


def no_spans(found: SpanInput) -> pa.Table:
    """A table of the columns that an input asks for."""
    types = {column.name: column.type for column in FIXED} | schema().types | {ROW_ID: pa.int64()}
    names = sorted({*found.columns, *([ROW_ID] if found.row_id else [])})
    return pa.schema([(name, types[name]) for name in names]).empty_table()


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    duck = DuckDB([], Limits(threads=1, seconds=24 * 3600))  # a busy machine takes its time
    yield duck.session()
    duck.close()


def test_inputs_have_every_column_that_is_read_and_outputs_are_the_answers_columns(session: Session) -> None:
    for query in QUERIES:
        for one in compiled(query):
            answer = run(session, one, no_spans(spans_of(one)))
            assert answer.num_rows == 0
            if one.outputs is not None:
                wanted = {field.name: field.type for field in one.outputs}
                assert {field.name: as_sent(field.type, wanted[field.name]) for field in answer.schema} == wanted


def as_sent(type_: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """DuckDB's type of a column, where a sum of integers has more digits, as the type that is read of it."""
    return wanted if pa.types.is_decimal(type_) and pa.types.is_float64(wanted) else type_


def test_a_filter_is_compiled_once_for_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[ast.FieldExpression] = []
    tests = PredicateCompiler.tests

    def count(self: PredicateCompiler, expression: ast.FieldExpression) -> list[exp.Expr]:
        counted.append(expression)
        return tests(self, expression)

    monkeypatch.setattr(PredicateCompiler, "tests", count)
    query = validate(parse('{ resource.service.name = "frontend" } >> { status = error }'))
    list(compiled(query))
    assert len(counted) == len(set(counted)) == 2
