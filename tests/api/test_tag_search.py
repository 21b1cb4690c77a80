"""Searches by tags, as TraceQL."""

import pytest

from spanlake.api.params import InvalidParameter
from spanlake.api.tag_search import MAX_TAGS, query_of_tags
from spanlake.traceql import parse, print_query


@pytest.mark.parametrize(
    ("tags", "query"),
    [
        ("", "{ true }"),
        ("a=b", '{ (span.a = "b") || (resource.a = "b") }'),
        ("a=", '{ (span.a = "") || (resource.a = "") }'),
        ('a="b c"', '{ (span.a = "b c") || (resource.a = "b c") }'),
        (r'a="say \"hi\""', '{ (span.a = `say "hi"`) || (resource.a = `say "hi"`) }'),
        ("name=x", '{ name = "x" }'),
        ("root.name=x", '{ rootName = "x" }'),
        ("root.service.name=x", '{ rootServiceName = "x" }'),
        ("status.code=error", "{ status = error }"),
        ("status.code=OK", "{ status = ok }"),
        ("http.status_code=200", "{ (span.http.status_code = 200) || (resource.http.status_code = 200) }"),
        ("http.status_code=2xx", '{ (span.http.status_code = "2xx") || (resource.http.status_code = "2xx") }'),
        ("name=x  status.code=error", '({ name = "x" }) && ({ status = error })'),
        ("a=b=c", '{ (span.a = "b=c") || (resource.a = "b=c") }'),
    ],
)
def test_query(tags: str, query: str) -> None:
    assert print_query(query_of_tags(tags, None, None)) == print_query(parse(query))


def test_bounds_on_the_duration() -> None:
    wanted = "({ name = `x` }) && ({ traceDuration >= 1s }) && ({ traceDuration <= 2s })"
    assert print_query(query_of_tags("name=x", 10**9, 2 * 10**9)) == print_query(parse(wanted))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("a", "expected key=value at character 1"),
        ("a=b c", "expected key=value at character 5"),
        ('a="b', "expected key=value at character 1"),
        ('a="b"c', "expected key=value at character 1"),
        ("=b", "expected key=value at character 1"),
        ("status.code=bad", "unset, ok or error"),
        (" ".join(f"k{n}=v" for n in range(MAX_TAGS + 1)), f"more than {MAX_TAGS}"),
    ],
)
def test_tags_that_are_none(tags: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        query_of_tags(tags, None, None)


def test_as_many_tags_as_may_be() -> None:
    query_of_tags(" ".join(f"k{n}=v" for n in range(MAX_TAGS)), 1, 2)
