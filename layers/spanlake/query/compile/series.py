"""Compiles the first stage of a metrics query: what is measured of the matching spans, by step and labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.fields import AttributeSchema, FieldCompiler, span_column
from spanlake.query.compile.metrics import Aggregate, aggregate_of, compared, nearest_power
from spanlake.query.compile.outputs import Field, FieldColumns, Role, compile_field, distinct_structs, selected
from spanlake.query.compile.spans import Compiled
from spanlake.query.compile.spansets import SpanPipeline
from spanlake.query.plan import MetricsLeaf
from spanlake.query.time_range import Steps, inside, position
from spanlake.traceql import ast
from spanlake.traceql.printer import print_field

_START = "start_time_unix_nano"


@dataclass(frozen=True)
class MetricsQueries:
    """The queries of a metrics function over the spans that a pipeline finds, which share its filters and labels.

    Only spans that start in ``range`` count, unless it is None. With ``exemplars`` there are the columns of such.
    """

    spans: SpanPipeline
    aggregate: Aggregate
    labels: tuple[FieldColumns, ...]
    range: Steps | None
    exemplars: bool

    @cached_property
    def are_judged_together(self) -> bool:
        """True where a span is evaluated with the other spans of its trace."""
        return not self.spans.judges_alone(*self._columns)

    def series(self, steps: Steps, *, exemplar: bool) -> Compiled:
        """Compile the aggregates and the COUNT of the spans of each group, and an EXEMPLAR if one is wanted."""
        counted = exp.alias_(exp.Count(this=exp.Star()), Role.COUNT)
        value = self.aggregate.value
        values = [] if value is None else [exp.alias_(value.copy(), Role.VALUE)]
        found = self._grouped(steps, [*values, counted, *([self._exemplar] if exemplar else [])])
        return replace(found.within(exp.select(exp.Star()), "groups"), outputs=self._outputs(exemplar=exemplar))

    def _outputs(self, *, exemplar: bool) -> pa.Schema:
        operand = self.aggregate.operand
        value_type = operand.type if operand else pa.int32()
        shown: list[tuple[str, pa.DataType]] = [("start", pa.int64()), ("trace", pa.binary()), ("value", value_type)]
        value = [] if self.aggregate.value is None else [pa.field(Role.VALUE, self.aggregate.type)]
        exemplars = [pa.field(Role.EXEMPLAR, pa.struct(shown))] if exemplar else []
        return pa.schema([*self.groups, *value, pa.field(Role.COUNT, pa.int64()), *exemplars])

    def exemplars_of(self, steps: Steps) -> Compiled:
        """Compile an EXEMPLAR of each group."""
        return self._grouped(steps, [self._exemplar])

    @property
    def groups(self) -> list[Field]:
        """The columns that spans are grouped by, the STEP first."""
        sides = [pa.field(column.alias, pa.bool_()) for column in self.aggregate.groups]
        bucket = [pa.field(Role.BUCKET, pa.int32())] if self.aggregate.bucket is not None else []
        labels = [column.field for label in self.labels for column in label.columns]
        return [pa.field(Role.STEP, pa.int64()), *sides, *bucket, *labels]

    def _grouped(self, steps: Steps, aggregates: Sequence[exp.Expr]) -> Compiled:
        groups = [exp.column(field.name) for field in self.groups]
        tests = [test.copy() for test in self.aggregate.tests]
        rows = self._rows(self._matching(steps))
        query = exp.select(*groups, *aggregates).where(*tests, copy=False)
        return rows.within(query.group_by(*(group.copy() for group in groups), copy=False))

    def _matching(self, steps: Steps) -> Compiled:
        step = exp.alias_(position(steps, span_column(_START)), Role.STEP)
        where = None if self.range is None else inside(self.range, span_column(_START))
        return self.spans.matching([step, *(column.copy() for column in self._columns)], where)

    @cached_property
    def _columns(self) -> list[exp.Expr]:
        """The columns of a span besides its step."""
        operand = self.aggregate.operand
        shown = ((span_column(_START), Role.START), (span_column("trace_id"), Role.TRACE)) if self.exemplars else ()
        measured = ((operand.sql.copy(), Role.VALUE),) if operand is not None else ()
        return [
            *(group.copy() for group in self.aggregate.groups),
            *selected(self.labels),
            *(exp.alias_(column, role) for column, role in (*measured, *shown)),
        ]

    def _rows(self, spans: Compiled) -> Compiled:
        """Compile a row for each span, or for each of the groups and numbers that it has by its events."""
        operand = self.aggregate.operand
        lists = [label.items for label in self.labels if label.items]
        for n, name in enumerate([*lists, *([Role.VALUE] if operand and operand.is_list else [])]):
            unnested = exp.alias_(exp.func("unnest", exp.column(name)), name)
            spans = spans.within(exp.select(exp.Star(except_=[exp.to_identifier(name)]), unnested), f"rows{n}")
        members = [column for label in self.labels for column in label.members]
        if operand is not None and self.aggregate.bucket is not None:
            if not operand.is_whole:  # computed once for each number
                power = exp.alias_(nearest_power(exp.column(Role.VALUE)), Role.POWER)
                spans = spans.within(exp.select(exp.Star(), power), "numbers")
            members.append(exp.alias_(self.aggregate.bucket.copy(), Role.BUCKET))
        return spans.within(exp.select(exp.Star(), *members), "items") if members else spans

    @property
    def _exemplar(self) -> exp.Expr:
        """The first span of a group that passes the tests: its start, its trace, and a value to show."""
        value = exp.Null() if self.aggregate.operand is None else exp.column(Role.VALUE)
        members = {"start": exp.column(Role.START), "trace": exp.column(Role.TRACE), "value": value}
        parts = [exp.PropertyEQ(this=exp.to_identifier(name), expression=part) for name, part in members.items()]
        first: exp.Expr = exp.Min(this=exp.Struct(expressions=parts))
        if self.aggregate.tests:
            first = exp.Filter(this=first, expression=exp.Where(this=exp.and_(*self.aggregate.tests)))
        return exp.alias_(first, Role.EXEMPLAR)


def compile_metrics(
    leaf: MetricsLeaf, schema: AttributeSchema, steps: Steps, *, is_within: bool, exemplars: bool
) -> MetricsQueries:
    """Compile a metrics function, or of compare() the sides; ``is_within`` if all spans start in the range of steps."""
    fields, range_ = FieldCompiler(schema), None if is_within else steps
    spans, function = SpanPipeline(leaf.spans, schema), leaf.function
    if isinstance(function, ast.Compare):
        return MetricsQueries(spans, compared(fields, function), (), range_, exemplars)
    labels = tuple(
        compile_field(fields, field, print_field(field), f"label{n}", distinct_structs)
        for n, field in enumerate(function.by)
    )
    return MetricsQueries(spans, aggregate_of(fields, function, steps), labels, range_, exemplars)
