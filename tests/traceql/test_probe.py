"""What one pass over the spans tells of a trace."""

import pytest

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.traceql import Dialect, check, parse
from spanlake.traceql.known import Known
from spanlake.traceql.pipeline import SearchPlan
from spanlake.traceql.probe import Probe

KNOWN = Known.of(AttributeColumn(Scope.SPAN, key, ValueType.INT) for key in "ab")
A, B = "span_a___int", "span_b___int"
TOTALS = {"start_time_unix_nano", "duration_nano", "name", "service_name", "parent_span_id"}


@pytest.mark.parametrize(
    ("query", "columns", "is_exact", "alone", "is_trivial"),
    [
        ("{}", set(), True, True, True),
        ("{ span.a = 1 }", {A}, True, True, False),
        ("{ span.a = 1 && span.b = 2 }", {A, B}, True, True, False),
        ("{ span.a = 1 } && { span.b = 2 }", {A, B}, True, False, False),
        ("{ span.a = 1 } || { span.b = 2 }", {A, B}, True, False, False),
        ("{ span.a = 1 } >> { span.b = 2 }", {A, B}, False, False, False),
        ("{ span.a = 1 } !>> { span.b = 2 }", {A, B}, False, False, False),
        ("{ span.a = 1 } | count() > 1", {A}, False, False, False),
        ("{ span.a = 1 } | max(span.b) > 1 | count() > 1", {A, B}, False, False, False),
        ("{ span.a = 1 } | avg(trace:duration) > 1s", {A}, False, True, False),
        ("{ span.a = 1 } | by(span.b) | count() > 1", {A}, False, True, False),
        ("{ span.a = 1 } | select(span.b) | count() > 1", {A}, False, True, False),
        ("{} | count() > 1", set(), False, False, False),
        ("count() > 1", set(), False, True, True),
        ("{ span.a = 1 && nestedSetLeft = 1 }", {A}, False, True, False),
        ("{ nestedSetLeft = 1 }", set(), False, True, True),
        ("{ nestedSetParent < 0 }", {"parent_span_id"}, True, True, False),
        ("{ span.a = 1 && trace:duration > 1s }", {A} | TOTALS, True, False, False),
        ("{ rootName = `x` }", TOTALS, True, False, False),
        ("{ !(span.a = 1) && trace:duration > 1s }", set(), False, True, True),
        ("by(span.a)", set(), False, True, True),
    ],
)
def test_probe(query: str, columns: set[str], is_exact: bool, alone: bool, is_trivial: bool) -> None:
    probe = Probe.of(SearchPlan.of(check(parse(query), Dialect.tempo())), KNOWN)
    found = (set(probe.columns), probe.is_exact, probe.alone, probe.is_trivial)
    assert found == (columns, is_exact, alone, is_trivial)
