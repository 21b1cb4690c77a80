"""Tests the prefilter: the pass over the spans that rules traces out."""

import pytest
from sqlglot import exp

from spanlake.query.compile.fields import CHILDREN, TRACE, AttributeSchema
from spanlake.query.compile.filters import NOTHING_TOLD, Told, compile_filters
from spanlake.query.compile.prefilter import Prefilter
from spanlake.query.plan import plan_search
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.traceql import parse, validate

KNOWN = AttributeSchema.of(AttributeColumn(Scope.SPAN, key, ValueType.INT) for key in "ab")
A, B = "span_a___int", "span_b___int"
TIMES = {"start_time_unix_nano", "duration_nano"}
ROOT = {"start_time_unix_nano", "span_id", "name", "parent_span_id"}


TOLD: Told = {(TRACE, "root_name"): "told_root", (CHILDREN, "child_count"): "told_count"}


def prefilter(query: str, told: Told = NOTHING_TOLD) -> Prefilter:
    """The prefilter of a query."""
    plan = plan_search(validate(parse(query)))
    return Prefilter.of(plan, compile_filters(plan.pipeline, KNOWN), KNOWN, told)


@pytest.mark.parametrize(
    ("query", "columns", "alone", "is_trivial"),
    [
        ("{}", set(), True, True),
        ("{ span.a = 1 }", {A}, True, False),
        ("{ span.a = 1 && span.b = 2 }", {A, B}, True, False),
        ("{ !(span.a = 1) }", {A}, True, False),
        ("{ span.a = 1 } && { span.b = 2 }", {A, B}, False, False),
        ("{ span.a = 1 } || { span.b = 2 }", {A, B}, False, False),
        ("{ span.a = 1 } >> { span.b = 2 }", {A, B}, False, False),
        ("{ span.a = 1 } !>> { span.b = 2 }", {A, B}, False, False),
        ("{ span.a = 1 } | count() > 1", {A}, False, False),
        ("{ span.a = 1 } | max(span.b) > 1 | count() > 1", {A, B}, False, False),
        ("{ span.a = 1 } | avg(trace:duration) > 1s", {A}, False, False),
        ("{ span.a = 1 } | by(span.b) | count() > 1", {A, B}, False, False),
        ("{ span.a = 1 } | by(parent.span.b) | count() > 1", {A}, False, False),
        ("{ span.a = 1 } | by(event.b) | count() > 1", {A}, False, False),
        ("{ span.a = 1 } | by(span.b) | coalesce() | count() > 1", {A}, False, False),
        ("{} | count() > 1", set(), False, False),
        ("count() > 1", set(), False, True),
        ("{ span.a = 1 && nestedSetLeft = 1 }", {A}, False, False),
        ("{ nestedSetLeft = 1 }", set(), False, True),
        ("{ nestedSetParent < 0 }", {"parent_span_id"}, True, False),
        ("{ span.a = 1 && trace:duration > 1s }", {A} | TIMES, False, False),
        ("{ rootName = `x` }", ROOT, False, False),
        ("{ parent.span.a = 1 }", {A}, False, False),
        ("{ parent.span.a = 1 && span.b = 2 }", {A, B}, False, False),
        ("{ parent.duration > 1s }", {"duration_nano"}, False, False),
        ("{ !(parent.span.a = 1) }", set(), False, True),
        ("{ parent.span.a = nil }", set(), False, True),
        ("{ parent.span.a = 1 || span.b = 2 }", set(), False, True),
        ("{ parent.span.a = span.b }", set(), False, True),
        ("by(span.a)", set(), False, True),
    ],
)
def test_probe_reads_columns_and_grain_of_query(query: str, columns: set[str], alone: bool, is_trivial: bool) -> None:
    probe = prefilter(query)
    assert (set(probe.columns), probe.per_span, probe.is_trivial) == (columns, alone, is_trivial)


@pytest.mark.parametrize(
    ("query", "one"),
    [
        ("{ span.a = 1 }", "s.span_a___int = 1"),
        ("{ span.a = 1 } && { span.b = 2 }", "s.span_b___int = 2"),
        ("{ span.a = 1 } || { span.b = 2 }", "s.span_a___int = 1 OR s.span_b___int = 2"),
        ("{ span.a = 1 } >> { span.b = 2 }", "s.span_b___int = 2"),
        ("{ span.a = 1 } >> { }", "s.span_a___int = 1"),
        ("{ span.a = 1 } !>> { }", "TRUE"),
        ("{ span.a = 1 } | count() > 1", "s.span_a___int = 1"),
        ("{ span.a = 1 && nestedSetLeft = 1 }", "s.span_a___int = 1"),
        ("{ parent.span.a = 1 }", "s.span_a___int = 1"),
        ("{ parent.span.a = 1 && parent.span.b != 2 }", "s.span_a___int = 1 AND s.span_b___int <> 2"),
        ("{ span.a = 1 && parent.span.b = 2 }", "s.span_a___int = 1"),
        ("by(span.a)", "TRUE"),
    ],
)
def test_probe_is_met_by_a_span_of_every_match(query: str, one: str) -> None:
    assert prefilter(query).one.sql("duckdb") == one


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ("{ span.a = 1 } >> { span.b = 2 }", ["s.span_a___int = 1"]),
        ("{ span.a = 1 } !>> { span.b = 2 }", []),
        ("{ span.a = 1 } || { span.b = 2 }", []),
        ("({ span.a = 1 } > { }) && { span.b = 2 }", ["s.span_a___int = 1"]),
        ("{ span.a = 1 && parent.span.b = 2 }", ["s.span_b___int = 2"]),
    ],
)
def test_probe_has_every_test_that_some_span_of_a_match_meets(query: str, others: list[str]) -> None:
    found = prefilter(query).others
    assert [other.sql("duckdb") for other in found] == others


@pytest.mark.parametrize(
    ("query", "per_trace"),
    [
        ("{ span.a = 1 } && { span.b = 2 }", True),
        ("{ span.a = 1 } > { span.b = 2 }", False),
        ("{ span.a = 1 } | count() > 1 | max(span.b) > 2", True),
        ("{ span.a = 1 } | count() > 1 | { span.b = 2 }", False),
        ("{ span.a = 1 } | count() * 2 > 1", False),
        ("{ span.a = 1 } | by(span.b)", True),
        ("{ span.a = 1 } | by(span.b) | count() > 1", True),
        ("{ span.a = 1 } | by(span.b) | count() > 1 | max(span.a) > 1 | coalesce()", True),
        ("{ span.a = 1 } | by(span.b) | count() > 1 | coalesce() | count() > 2", False),
        ("{ span.a = 1 } | by(span.b) | coalesce() | count() > 1", False),
        ("{ span.a = 1 } | by(span.b) | by(span.a) | count() > 1", False),
        ("{ span.a = 1 } | by(parent.span.b) | count() > 1", False),
        ("{ span.a = 1 } | by(event.b) | count() > 1", False),
        ("{ span.a = 1 } | by(span.b) | count() * 2 > 1 | count() > 1", False),
        ("{ span.a = 1 } | select(span.b)", True),
        ("{ trace:duration > 1s && span.a = 1 }", True),
        ("{ trace:duration > 1s && span:childCount > 1 }", False),
        ("{ trace:duration > 1s } | count() > 1", False),
        ("{ parent.span.a = 1 }", False),
        ("{ span.a = 1 && parent.span.b = 2 }", False),
    ],
)
def test_probe_tells_whether_its_tests_decide(query: str, per_trace: bool) -> None:
    assert prefilter(query).per_trace is per_trace


@pytest.mark.parametrize(
    ("query", "where", "columns"),
    [
        ("{ rootName = `x` }", {"told_root"}, {"told_root"}),
        ("{ rootName = `x` && span.a = 1 }", {"told_root", A}, {"told_root", A}),
        ("{ rootName = `x` && traceDuration > 1s && span.a = 1 }", {"told_root"}, {"told_root", A} | TIMES),
        ("{ rootName = `x` } && { span.a = 1 }", {"told_root", A}, {"told_root", A}),
        ("{ rootName = `x` && traceDuration > 1s } && { span.a = 1 }", {"told_root", A}, {"told_root", A} | TIMES),
        ("{ rootName = `x` } && { traceDuration > 1s }", set(), {"told_root"} | TIMES),
        ("{ rootName = `x` } | count() > 1", {"told_root"}, {"told_root"}),
        ("{ span:childCount > 1 }", {"told_count"}, {"told_count"}),
        ("{ span:childCount > 1 && traceDuration > 1s }", set(), {"told_count"} | TIMES),
    ],
)
def test_what_is_told_of_spans_decides_by_their_own_columns(query: str, where: set[str], columns: set[str]) -> None:
    probe = prefilter(query, TOLD)
    assert probe.per_trace
    assert probe.where is not None
    assert {column.name for column in probe.where.find_all(exp.Column)} == where
    assert set(probe.columns) == columns


def test_what_is_told_of_spans_does_not_decide_of_others_in_the_tree() -> None:
    assert not prefilter("{ rootName = `x` && parent.span.a = 1 }", TOLD).per_trace
    assert not prefilter("{ rootName = `x` } >> { span.a = 1 }", TOLD).per_trace
