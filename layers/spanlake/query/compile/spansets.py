"""Compiles a validated pipeline to SQL: matching spans, their span sets, and the attributes of results.

The query is a chain of tables (see ``levels``), to which each stage adds its own (see ``stages``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp

from spanlake.query.compile.fields import AttributeSchema, span_column
from spanlake.query.compile.filters import NOTHING_TOLD, Filters, Told, compile_filters
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.spans import Compiled, Needs, StructureInput, compile_spans, define_first
from spanlake.query.compile.sql import Sql
from spanlake.query.compile.stages import Levels, SetAttribute, Stages
from spanlake.query.compile.structure import BASE, TRACE, base_columns
from spanlake.query.plan import SearchPlan


@dataclass(frozen=True)
class SpanPipeline:
    """A pipeline over spans with these attributes. Its filters are compiled once, for all of its queries."""

    plan: SearchPlan
    schema: AttributeSchema

    @cached_property
    def filters(self) -> Filters:
        """The compiled spanset filters."""
        return compile_filters(self.plan.pipeline, self.schema)

    @cached_property
    def prefilter(self) -> Prefilter:
        """The tests that the spans of every matching trace pass."""
        return Prefilter.of(self.plan, self.filters, self.schema)

    def prefilter_given(self, told: Told) -> Prefilter:
        """Return the prefilter with what is ``told`` of each span as columns of it."""
        return Prefilter.of(self.plan, self.filters, self.schema, told) if told else self.prefilter

    def matching(self, columns: Sequence[exp.Expr], where: Sql | None = None, told: Told = NOTHING_TOLD) -> Compiled:
        """Compile ``SELECT columns`` of the matching spans, each once and each column named by its alias.

        ``where`` is a further test of a matching span. A pipeline of one filter reads what is ``told`` of a span
        instead of the other spans of its trace.
        """
        candidates = self.prefilter.candidates
        if self.plan.only_filter is None:
            levels = self._staged(columns)
            if where is not None:
                levels, passes = levels.add(where)
                levels = levels.keep(exp.column(passes))
            levels, _ = replace(levels, groups=()).merge_rows()
            return self._compiled(levels, columns, levels.query(_named(columns)), candidates)
        test = self.filters[self.plan.only_filter].given(told).sql
        return compile_spans(columns, [test, *([where] if where is not None else [])], candidates)

    @property
    def only_test(self) -> Sql:
        """The test of a pipeline with just one spanset filter."""
        assert self.plan.only_filter is not None
        return self.filters[self.plan.only_filter].sql

    def sets(self, columns: Sequence[exp.Expr]) -> tuple[Compiled, list[SetAttribute]]:
        """Compile ``SELECT columns, set attributes`` of the matching spans of whole traces, each once in every set.

        Also returns the attributes of sets, in the order of the stages.
        """
        if self.plan.only_filter is not None:
            return self.matching(columns), []
        levels = self._staged(columns)
        attributes = list(levels.attributes.values())
        shown = [exp.column(part.name) for attribute in attributes for part in attribute.columns]
        return self._compiled(levels, columns, levels.query([*_named(columns), *shown]), None), attributes

    @property
    def relates_spans(self) -> bool:
        """True where the place of spans in their traces' trees matters."""
        tests = (test for found in self.filters.values() for test in found.tests)
        return self.plan.is_structural or any(test.needs.nested_sets for test in tests)

    def judges_alone(self, *columns: exp.Expr) -> bool:
        """True where a span is evaluated without the other spans of its trace, these columns of it too."""
        if self.plan.only_filter is None:
            return False
        tests = self.filters[self.plan.only_filter].tests
        return not any(test.needs.whole_traces for test in tests) and not Needs.of(*columns).whole_traces

    def _staged(self, columns: Sequence[exp.Expr]) -> Levels:
        """Return the tables of all stages, over spans with these columns."""
        of_tree = base_columns() if self.plan.is_structural else []
        levels = Levels((*(column for column in columns if column.alias_or_name != TRACE), *of_tree))
        stages = Stages(self.filters, self.schema)
        for stage in self.plan.pipeline.stages:
            levels = stages.compile(levels, stage)
        return levels

    def _compiled(
        self, levels: Levels, columns: Sequence[exp.Expr], query: exp.Select, candidates: Compiled | None
    ) -> Compiled:
        """Return a query of the last table, with the first of the tables defined."""
        trace = span_column(TRACE)
        if self.plan.is_structural and TRACE not in {column.alias_or_name for column in columns}:
            trace = exp.func("hash", trace)  # not part of the results: it need only distinguish traces
        base = compile_spans([exp.alias_(trace, TRACE), *levels.columns], (), candidates, together=True)
        if self.plan.is_structural:
            return Compiled(query, (StructureInput(base, levels.steps),))
        define_first(query, BASE, base.sql, materialized=True)
        return Compiled(query, base.inputs)


def _named(columns: Sequence[exp.Expr]) -> list[exp.Expr]:
    return [exp.column(column.alias_or_name) for column in columns]
