import pytest

from spanlake.traceql import ParseError, TraceQLError, check, parse

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
        "line 2, column 1: expected an operator or `}`, found the end of the query\n\n^",
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
def test_shown_with_a_caret_under_the_place(query: str, shown: str) -> None:
    with pytest.raises(TraceQLError) as caught:
        check(parse(query))
    assert caught.value.pretty() == shown


def test_one_line_for_an_answer() -> None:
    assert str(ParseError("no", "a\nbc", 3)) == "line 2, column 2: no"


def test_long_messages_are_cut() -> None:
    assert len(ParseError("x" * 10_000).message) < 500
