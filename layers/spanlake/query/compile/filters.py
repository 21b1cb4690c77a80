"""The spanset filters of a pipeline, each compiled once for a request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.fields import ELEMENTS, SPAN_INTRINSICS, AttributeSchema, FieldCompiler, span_column
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.spans import Needs
from spanlake.query.compile.sql import Sql
from spanlake.traceql import ast
from spanlake.traceql.ast.walk import walk
from spanlake.traceql.rewrite import Comparison, comparison, conjuncts

Told: TypeAlias = Mapping[tuple[str, str], str]
"""Columns of a span that hold what the other spans of its trace tell, by table and column of the relation."""
NOTHING_TOLD: Told = MappingProxyType({})


@dataclass(frozen=True)
class SpanTest:
    """A test of a span, and the parts of the relation that it names.

    It is one ``is_of_trace`` if all spans that a block has of a trace pass it, or none.
    """

    sql: Sql
    needs: Needs
    is_of_trace: bool = False

    def given(self, told: Told) -> "SpanTest":
        """Return the test with what is ``told`` of a span as columns of it."""

        def read(node: exp.Expr) -> exp.Expr:
            name = told.get((node.table, node.name)) if isinstance(node, exp.Column) else None
            return node if name is None else span_column(name)

        sql = self.sql.transform(read)
        needs = Needs.of(sql)
        return SpanTest(sql, needs, self.needs == Needs(trace=True) and not needs.trace)


@dataclass(frozen=True)
class CompiledFilter:
    """A spanset filter: tests that all must hold.

    A span that meets them has a parent that meets ``of_parent``, the comparisons of fields of the parent as tests of a
    span ``s``.
    """

    tests: tuple[SpanTest, ...]
    of_parent: tuple[Sql, ...] = ()

    @classmethod
    def of(cls, condition: ast.FieldExpression, schema: AttributeSchema) -> "CompiledFilter":
        """Compile the condition of a spanset filter."""
        predicates = PredicateCompiler(FieldCompiler(schema))
        tests = tuple(SpanTest(test, Needs.of(test)) for test in predicates.tests(condition))
        return cls(tests, tuple(map(predicates.comparison, _of_parents(condition))))

    def given(self, told: Told) -> "CompiledFilter":
        """Return the filter with what is ``told`` of a span as columns of it."""
        return replace(self, tests=tuple(test.given(told) for test in self.tests))

    @property
    def sql(self) -> Sql:
        """The filter as one test, for a tree of its own."""
        return values.all_of(test.sql.copy() for test in self.tests)


def _of_parents(condition: ast.FieldExpression) -> Iterator[Comparison]:
    """Yield the comparisons of fields of the parent, as fields of a span. None holds without a parent."""
    for part in conjuncts(condition):
        found = comparison(part)
        if found is not None and found.field.parent and _is_of_span(found.field):
            yield replace(found, field=replace(found.field, parent=False))


def _is_of_span(field: ast.Field) -> bool:
    if isinstance(field, ast.Attribute):
        return field.scope not in ELEMENTS
    return field.intrinsic in SPAN_INTRINSICS


Filters: TypeAlias = Mapping[ast.FieldExpression, CompiledFilter]


def compile_filters(pipeline: ast.Pipeline, schema: AttributeSchema) -> Filters:
    """Compile the spanset filters at any depth of a pipeline, by their conditions."""
    conditions = dict.fromkeys(node.condition for node in walk(pipeline) if isinstance(node, ast.SpansetFilter))
    return {condition: CompiledFilter.of(condition, schema) for condition in conditions}
