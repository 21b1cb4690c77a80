import pytest

from spanlake.cli.client.refusals import refused, with_caret
from spanlake.traceql import ParseError, parse


@pytest.mark.parametrize(
    ("message", "query", "told"),
    [
        ("line 1, column 8: expected", "{ .a = }", "line 1, column 8: expected\n{ .a = }\n       ^"),
        ("parse error at line 1, col 3: no", "{ .", "parse error at line 1, col 3: no\n{ .\n  ^"),
        ("line 1, column 4: end", "{ .", "line 1, column 4: end\n{ .\n   ^"),
        ("line 2, column 1: x", "{\n}", "line 2, column 1: x\n}\n^"),
        ("line 1, column 3: x", "\t{}", "line 1, column 3: x\n\\t{}\n   ^"),
    ],
)
def test_refusal_has_caret_under_position(message: str, query: str, told: str) -> None:
    assert str(with_caret(refused(400, None, message.encode(), "x"), query)) == told


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "something else"),
        (400, "line 0, column 1: x"),
        (400, "line 3, column 1: x"),
        (400, "line 1, column 0: x"),
        (400, "line 1, column 99: x"),
        (400, "line 99999999999, column 1: x"),
        (500, "line 1, column 1: x"),
    ],
)
def test_refusal_without_position_has_no_caret(status: int, message: str) -> None:
    error = refused(status, None, message.encode(), "x")
    assert with_caret(error, "{ }") is error


@pytest.mark.parametrize("query", ["{ .a = }", "{", "{ ほ }", "{ .a\n = \t }", "{} | rate() by ("])
def test_refusal_caret_is_at_position_of_parser(query: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(query)
    told = str(with_caret(refused(400, None, str(caught.value).encode(), "x"), query))
    assert told.count("\n") == 2
