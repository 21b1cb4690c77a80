"""Tests the advice in the error of a refused query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql import TraceQLError, parse, validate
from spanlake.traceql.advice import advice


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ .a == 1 }", "equal is one `=`"),
        ("{ .a === 1 }", "equal is one `=`"),
        ("{ .a <> 1 }", "unequal is `!=`"),
        ("{ .a => 1 }", "at least is `>=`"),
        ("{ .a =< 1 }", "at most is `<=`"),
        ("{ .a ~= `x` }", "`=~`"),
        ("{ name ~ `x` }", "`=~`"),
        ("{ name = 'x' }", "double quotes or backticks"),
        ("{ name = \u201cx\u201d }", "straight double quotes"),
        ("{ name = \u00abx\u00bb }", "straight double quotes"),
        ("{ name = \u201ex\u201c }", "straight double quotes"),
        ("{ .a = 1 And .b = 2 }", "joined with `&&`"),
        ("{ .a = 1 & .b = 2 }", "joined with `&&`"),
        ("{ .a = 1, .b = 2 }", "joined with `&&`"),
        ("{ .a = 1 OR .b = 2 }", "joined with `||`"),
        ("{ NOT .a = 1 }", "negated by `!`"),
        ("{ name ILIKE `x` }", "regular expression"),
        ("{ name startsWith `x` }", "regular expression"),
        ("{ name in (`x`, `y`) }", "`||`"),
        ("{ .a = None }", "nothing is written nil"),
        ("{ .a = FALSE }", "`true` and `false`"),
        ("{ status = failed }", "status is one of unset, ok, error"),
        ("{ span:status != OK }", "status is one of unset, ok, error"),
        ("{ kind = SPAN_KIND_CLIENT }", "kind is one of unspecified, internal, server, client"),
        ("{ Error = status }", "`error`, in lower case"),
        ("{ STATUS_CODE_OK = status }", "`ok`, in lower case"),
        ("{ http.request.method = `GET` }", ".http.request.method, span.http.request.method or resource."),
        ("{ k8s.pod-name = `x` }", "resource.k8s.pod-name"),
        ("{ duration > 100 ms }", "no blank before its unit"),
        ("{ duration > 2 min }", "units of durations are"),
        ("{ duration > 2 seconds }", "units of durations are"),
        ("{ trace_id = `1` }", "trace:id"),
        ("{ parentSpanId = `1` }", "span:parentID"),
        ("{ operationName = `x` }", "the name of a span is name"),
        ("{ statusCode = `x` }", "unset, ok, error"),
        ('{ resource["a b"] = 1 }', 'resource."a b"'),
        ("{ span[a] = 1 }", "span.a"),
        ("{ } | p95(duration)", "quantile_over_time(duration, .99)"),
        ("{ } # all", "a comment begins with //"),
        ("{ };", "leave out the `;`"),
        ("{\u00a0}", "U+00A0, no-break space"),
        ("{\u200b}", "U+200B, zero width space"),
        ("{\ufeff}", "U+FEFF"),
        ("SELECT * FROM spans", "{ name"),
        ("{ kind = `server` }", "kind is written without quotes, one of unspecified, internal"),
        ("{ `error` = status }", "status is written without quotes"),
        ("{ traceDuration > `1s` }", "a duration is written without quotes"),
        ("{ span:childCount = `1` }", "a number is written without quotes"),
        ("{ !.a = 1 }", "unequal is `!=`"),
        ("{ !.a > 1 && .b }", "in parentheses"),
        ("{ status.code = error }", ".status.code, span.status.code or resource.status.code"),
        ("{ tags.http.method = `GET` }", ".http.method, span.http.method or resource.http.method"),
        ("{ attributes.foo = 1 }", ".foo, span.foo or resource.foo"),
        ("{ resource:service.name = `x` }", "resource.service.name"),
        ("{ trace.duration > 1s }", "trace:duration, trace:id"),
        ("{ .a is null }", "!= nil"),
        ("{ exists(.a) }", "!= nil"),
        ("{ .a =! 1 }", "unequal is `!=`"),
        ("{ .a ! = 1 }", "unequal is `!=`"),
        ("{ name: `x` }", "compared by `=`"),
        ("{ name =~ /x/ }", "written in quotes"),
        ('{ name =~ "\\d+" }', "in backticks"),
        ("{ .a = $service }", "Grafana fills in its variables"),
        ("{ name = `x` name = `y` }", "an operator such as `&&`"),
        ("{ Duration > 1s }", "it is written `duration`"),
        ("{ rootservicename = `x` }", "it is written `rootServiceName`"),
        ("{ isRoot }", "nestedSetParent < 0"),
        ("{ } | limit 10", "a parameter of the request, limit"),
        ("{ } | sort(duration)", "with (order=duration)"),
        ("{ } | group by (name)", "by(name)"),
        ("{ } | mean(duration) > 1s", "avg(duration)"),
        ("{ } | COUNT() > 1", "it is written `count`"),
        ("{ } | Rate()", "it is written `rate`"),
        ("{ } | increase()", "count_over_time()"),
        ("sum(rate({ }))", "{ } | rate()"),
        ("topk(5, { } | rate())", "{ } | rate() | topk("),
        ("{ } | count_over_time(5m)", "a parameter of the request, step"),
        ("{ } | rate()[5m]", "a parameter of the request, step"),
        ("{ } | quantile_over_time(0.9, duration)", "quantile_over_time(duration, .9)"),
        ("{ } | p99_over_time(duration)", "quantile_over_time(duration, .99)"),
        ("{ } | rate() by (name) * 2", "({ } | rate()) * 1"),
    ],
)
def test_refused_query_error_advises_replacement(query: str, told: str) -> None:
    with pytest.raises(TraceQLError) as refused:
        validate(parse(query))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "query", ["{ name > 1 }", "{ .a = }", "{ foo }", "{ .a = 1", "{ && .a }", "{ } | rate() | topk(1.5)"]
)
def test_other_query_error_has_no_advice(query: str) -> None:
    with pytest.raises(TraceQLError) as refused:
        validate(parse(query))
    assert ";" not in str(refused.value)


@given(st.text(max_size=30), st.integers(0, 40))
def test_advice_is_text_at_any_position(text: str, at: int) -> None:
    assert isinstance(advice(text, at), str)
