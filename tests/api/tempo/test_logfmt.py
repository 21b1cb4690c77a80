"""Searches by tags, as TraceQL."""

import pytest

from spanlake.api.tempo.logfmt import MAX_TAGS, query_of_tags
from spanlake.api.typed_route import InvalidParameter
from spanlake.traceql import parse, print_query


def contains(field: str, pattern: str) -> str:
    return f"{field} =~ `(?i).*{pattern}.*`"


def anywhere(key: str, pattern: str) -> str:
    return f"({contains(f'span.{key}', pattern)}) || ({contains(f'resource.{key}', pattern)})"


def equals(key: str, value: str) -> str:
    """The query for a tag whose value is a number or a boolean too."""
    return f"{{ (({anywhere(key, value)}) || (span.{key} = {value})) || (resource.{key} = {value}) }}"


@pytest.mark.parametrize(
    ("tags", "query"),
    [
        ("", "{ true }"),
        ("a=b", f"{{ {anywhere('a', 'b')} }}"),
        ("a=", f"{{ {anywhere('a', '')} }}"),
        ('a="b c"', "{ " + anywhere("a", r"b\ c") + " }"),
        (r'a="say \"hi\""', "{ " + anywhere("a", r'say\ "hi"') + " }"),
        ("a=.*[", "{ " + anywhere("a", r"\.\*\[") + " }"),
        ("name=x", f"{{ {contains('name', 'x')} }}"),
        ("root.name=x", f"{{ {contains('rootName', 'x')} }}"),
        ("root.service.name=x", f"{{ {contains('rootServiceName', 'x')} }}"),
        ("status.code=error", "{ status = error }"),
        ("status.code=OK", "{ status = ok }"),
        ("http.status_code=200", equals("http.status_code", "200")),
        ("http.status_code=2xx", f"{{ {anywhere('http.status_code', '2xx')} }}"),
        ("a=true", equals("a", "true")),
        ("a=0", equals("a", "0")),
        ("a=007", f"{{ {anywhere('a', '007')} }}"),
        ("name=x  status.code=error", f"({{ {contains('name', 'x')} }}) && ({{ status = error }})"),
        ("a=b=c", f"{{ {anywhere('a', 'b=c')} }}"),
    ],
)
def test_query(tags: str, query: str) -> None:
    assert print_query(query_of_tags(tags, None, None)) == print_query(parse(query))


def test_bounds_on_the_duration() -> None:
    wanted = f"({{ {contains('name', 'x')} }}) && ({{ traceDuration >= 1s }}) && ({{ traceDuration <= 2s }})"
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
