"""Compiles a search: the traces that may match, those that do, and their span sets."""

from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.columns import AttributeSchema
from spanlake.query.compile.fields import FieldCompiler, span_column
from spanlake.query.compile.levels import SetAttribute
from spanlake.query.compile.outputs import FieldColumns, Role, compile_field, selected
from spanlake.query.compile.spans import Compiled
from spanlake.query.compile.spansets import SpanPipeline
from spanlake.query.plan import SearchPlan
from spanlake.traceql import ast

_TRACES: dict[str, pa.DataType] = {"trace_id": pa.binary(), "latest": pa.int64()}
TRACES = pa.schema(_TRACES)
"""Ids of traces, each with a time that orders them."""
_RESULT_COLUMNS = ("trace_id", "span_id", "name", "start_time_unix_nano", "duration_nano")


@dataclass(frozen=True)
class SpanSetQuery:
    """The matching spans of some traces by trace and set, PLACE counting those of a set from 1, MATCHED all of them.

    ``attributes`` of spans, named as results name them, and ``set_attributes`` tell the columns of their values.
    """

    compiled: Compiled
    attributes: tuple[FieldColumns, ...]
    set_attributes: tuple[SetAttribute, ...]


@dataclass(frozen=True)
class SearchQueries:
    """The queries of a search, which share its filters. Each is compiled when it is first asked for."""

    spans: SpanPipeline
    end_ns: int
    spans_per_set: int

    def traces(self, *figures: exp.Expr) -> Compiled:
        """The matching traces, those with the newest spans first; with figures if the prefilter alone decides."""
        if not self.spans.prefilter.per_trace:
            return self._judged
        latest = exp.Max(this=span_column("start_time_unix_nano"))
        passing = self.spans.prefilter.traces(exp.alias_(latest, "latest"), *figures)
        return replace(passing, sql=_newest_first(passing.sql), outputs=TRACES)

    @cached_property
    def _judged(self) -> Compiled:
        start = span_column("start_time_unix_nano")
        in_time = exp.LTE(this=start.copy(), expression=sql.number(self.end_ns))
        matching = self.spans.matching([span_column("trace_id"), exp.alias_(start, "time")], in_time)
        grouped = exp.select(exp.column("trace_id"), exp.alias_(exp.Max(this=exp.column("time")), "latest"))
        grouped.group_by(exp.column("trace_id"), copy=False)
        return replace(matching.within(_newest_first(grouped)), outputs=TRACES)

    @cached_property
    def span_sets(self) -> SpanSetQuery:
        """The matching span sets of whole traces."""
        fields, wanted = FieldCompiler(self.spans.schema), self.spans.plan.result_fields
        attributes = [compile_field(fields, field, _key(field), f"attribute{n}") for n, field in enumerate(wanted)]
        columns = [*map(span_column, _RESULT_COLUMNS), *selected(attributes)]
        matching, of_sets = self.spans.sets(columns)
        groups = [exp.column(part.name) for found in of_sets if found.is_group for part in found.columns]
        query = matching.within(_by_set(groups, self.spans_per_set))
        return SpanSetQuery(query, tuple(attributes), tuple(of_sets))


def _key(field: ast.Field) -> str:
    key = field.key if isinstance(field, ast.Attribute) else field.intrinsic.value
    return f"parent.{key}" if field.parent else key


def _newest_first(query: exp.Select) -> exp.Select:
    return query.order_by(exp.Ordered(this=exp.column("latest"), desc=True), copy=False)


def _by_set(groups: list[exp.Column], spans_per_set: int) -> exp.Select:
    partition = [exp.column("trace_id"), *groups]
    first = [exp.Ordered(this=exp.column(name)) for name in ("start_time_unix_nano", "span_id")]
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
