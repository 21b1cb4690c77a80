"""The spanset filters of a pipeline, each compiled once for a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from spanlake.query.compile import sql as values
from spanlake.query.compile.columns import AttributeSchema
from spanlake.query.compile.fields import FieldCompiler
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.spans import Needs
from spanlake.query.compile.sql import Sql
from spanlake.traceql import ast
from spanlake.traceql.ast.walk import walk


@dataclass(frozen=True)
class SpanTest:
    """A test of a span, and the parts of the relation that it names."""

    sql: Sql
    needs: Needs


@dataclass(frozen=True)
class CompiledFilter:
    """A spanset filter: tests that all must hold."""

    tests: tuple[SpanTest, ...]

    @classmethod
    def of(cls, condition: ast.FieldExpression, schema: AttributeSchema) -> "CompiledFilter":
        """Compile the condition of a spanset filter."""
        tests = PredicateCompiler(FieldCompiler(schema)).tests(condition)
        return cls(tuple(SpanTest(test, Needs.of(test)) for test in tests))

    @property
    def sql(self) -> Sql:
        """The filter as one test, for a tree of its own."""
        return values.all_of(test.sql.copy() for test in self.tests)


Filters: TypeAlias = Mapping[ast.FieldExpression, CompiledFilter]


def compile_filters(pipeline: ast.Pipeline, schema: AttributeSchema) -> Filters:
    """Compile the spanset filters at any depth of a pipeline, by their conditions."""
    conditions = dict.fromkeys(node.condition for node in walk(pipeline) if isinstance(node, ast.SpansetFilter))
    return {condition: CompiledFilter.of(condition, schema) for condition in conditions}
