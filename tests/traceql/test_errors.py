import pytest

from spanlake.traceql import ParseError, TraceQLError, parse, validate

SHOWN = [
    (
        "{ .a = }",
        "line 1, column 8: expected an attribute, an intrinsic or a value, found `}`\n{ .a = }\n       ^",
    ),
    (
        "{ .a = 1\n  && name\t> 2 }",
        "line 2, column 11: `>` cannot stand between a string and an int\n  && name\t> 2 }\n         \t^",
    ),
    (
        "{ .a = 1\n",
        "line 2, column 1: expected an operator such as `&&` or `}`, found the end of the query\n\n^",
    ),
    (
        "by(a)",
        'line 1, column 4: `a` means nothing here: attributes are written .a or span.a, strings "a"\nby(a)\n   ^',
    ),
    (
        "{} | topk(3)",
        "line 1, column 6: topk() expects metrics before it, as in `{ } | rate() | topk(…)`\n{} | topk(3)\n     ^",
    ),
]


@pytest.mark.parametrize(("query", "shown"), SHOWN)
def test_pretty_error_has_caret_under_position(query: str, shown: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        validate(parse(query))
    assert caught.value.pretty() == shown


def test_error_text_is_one_line_with_position() -> None:
    assert str(ParseError("no", "a\nbc", 3)) == "line 2, column 2: no"


def test_error_message_is_truncated() -> None:
    assert len(ParseError("x" * 10_000).message) < 500
