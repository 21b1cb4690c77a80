"""Compiles a search: the traces that may match, those that do, and their span sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import AttributeSchema, FieldCompiler, span_column
from spanlake.query.compile.filters import NOTHING_TOLD, Told
from spanlake.query.compile.outputs import FieldColumns, Role, compile_field, selected
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.compile.spans import Compiled
from spanlake.query.compile.spansets import SpanPipeline
from spanlake.query.compile.stages import SetAttribute
from spanlake.query.plan import SearchPlan
from spanlake.traceql import ast

_LATEST = "latest"
_TRACES: dict[str, pa.DataType] = {"trace_id": pa.binary(), _LATEST: pa.int64()}
TRACES = pa.schema(_TRACES)
"""Ids of traces, each with a time that orders them."""
_START = "start_time_unix_nano"
_RESULT_COLUMNS = ("trace_id", "span_id", "name", _START, "duration_nano")


@dataclass(frozen=True)
class SpanSetQuery:
    """The matching spans of some traces by trace and set, PLACE counting those of a set from 1, MATCHED all of them.

    ``attributes`` of spans, named as results name them, and ``set_attributes`` tell the columns of their values.
    ``compiled`` is None where a span is judged without others: ``computed`` are then columns of each span ``s``, FOUND
    and the attributes, to be read with it.
    """

    compiled: Compiled | None
    attributes: tuple[FieldColumns, ...]
    set_attributes: tuple[SetAttribute, ...] = ()
    computed: tuple[exp.Expr, ...] = ()
    spans_per_set: int = 0

    @property
    def columns(self) -> frozenset[str]:
        """The stored columns of spans that the answer is made of, besides what is computed with them."""
        return frozenset(_RESULT_COLUMNS) if self.compiled is None else self.compiled.columns


@dataclass(frozen=True)
class SearchQueries:
    """The queries of a search, which share its filters. Each is compiled when it is first asked for."""

    spans: SpanPipeline
    end_ns: int
    spans_per_set: int

    def traces(self, *columns: exp.Expr, told: Told = NOTHING_TOLD) -> Compiled:
        """Compile the matching traces, the latest first by their first span that matters, equal ones by id.

        Each has the largest value of each column of its spans.

        What is ``told`` of each span need not be found out by the other spans of its trace.
        """
        every = [exp.alias_(span_column(_START), _LATEST), *columns]
        prefilter = self.spans.prefilter_given(told)
        found = _passing(prefilter, every) if prefilter.per_trace else self._judged(every, told)
        return replace(found, sql=found.sql.order_by(*newest_by_id(), copy=False), outputs=TRACES)

    def _judged(self, columns: Sequence[exp.Expr], told: Told) -> Compiled:
        in_time = exp.LTE(this=span_column(_START), expression=sql.number(self.end_ns))
        matching = self.spans.matching([span_column("trace_id"), *columns], in_time, told)
        figures = (_of_trace(exp.column(column.alias), column.alias) for column in columns)
        grouped = exp.select(exp.column("trace_id"), *figures)
        return matching.within(grouped.group_by(exp.column("trace_id"), copy=False))

    @cached_property
    def span_sets(self) -> SpanSetQuery:
        """The matching span sets of whole traces."""
        fields, wanted = FieldCompiler(self.spans.schema), self.spans.plan.result_fields
        attributes = [compile_field(fields, field, _key(field), f"attribute{n}") for n, field in enumerate(wanted)]
        if self.spans.judges_alone(*selected(attributes)):
            found = exp.alias_(exp.func("coalesce", self.spans.only_test, exp.false()), Role.FOUND)
            return SpanSetQuery(
                None, tuple(attributes), computed=(found, *selected(attributes)), spans_per_set=self.spans_per_set
            )
        columns = [*map(span_column, _RESULT_COLUMNS), *selected(attributes)]
        matching, of_sets = self.spans.sets(columns)
        groups = [exp.column(part.name) for found in of_sets if found.is_group for part in found.columns]
        query = matching.within(_by_set(groups, self.spans_per_set))
        return SpanSetQuery(query, tuple(attributes), tuple(of_sets))


def newest_by_id() -> tuple[exp.Ordered, exp.Ordered]:
    """Return the order of TRACES: the newest first, equally new ones by their ids."""
    return exp.Ordered(this=exp.column(_LATEST), desc=True), exp.Ordered(this=exp.column("trace_id"))


def _passing(prefilter: Prefilter, columns: Sequence[exp.Expr]) -> Compiled:
    """Return the traces that pass the prefilter, where it alone decides."""
    return prefilter.traces(*(_of_trace(column.unalias(), column.alias) for column in columns))


def _key(field: ast.Field) -> str:
    key = field.key if isinstance(field, ast.Attribute) else field.intrinsic.value
    return f"parent.{key}" if field.parent else key


def _of_trace(column: exp.Expr, name: str) -> exp.Expr:
    """Return the largest value among the spans of a trace; of their starts the first, by which the trace has begun."""
    return exp.alias_((exp.Min if name == _LATEST else exp.Max)(this=column), name)


def _by_set(groups: list[exp.Column], spans_per_set: int) -> exp.Select:
    partition = [exp.column("trace_id"), *groups]
    first = [exp.Ordered(this=exp.column(name)) for name in (_START, "span_id")]
    place = exp.Window(this=exp.RowNumber(), partition_by=partition, order=exp.Order(expressions=first))
    matched = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[part.copy() for part in partition])
    query = exp.select(exp.Star(), exp.alias_(matched, Role.MATCHED), exp.alias_(place, Role.PLACE))
    query.order_by(*(part.copy() for part in partition), exp.column(Role.PLACE), copy=False)
    if spans_per_set:
        query.qualify(exp.LTE(this=exp.column(Role.PLACE), expression=sql.number(spans_per_set)), copy=False)
    return query


def compile_search(plan: SearchPlan, schema: AttributeSchema, end_ns: int, spans_per_set: int) -> SearchQueries:
    """Compile a search of spans that start by ``end_ns``; ``spans_per_set`` 0 returns every span of a set."""
    return SearchQueries(SpanPipeline(plan, schema), end_ns, spans_per_set)
