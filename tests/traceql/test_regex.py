"""Regular expressions of a query."""

import pytest

from spanlake.traceql.regex import _parts, problem_of, without_names


@pytest.mark.parametrize(
    "pattern",
    ["", "a.b", r"\pL{3}", r"(?P<n>a)", r"(?<n>a)(?i:b)", r"\Q\C\E", r"[\\]C", r"\\C", r"(?:\pL|\pN|[_-]){1,64}"],
)
def test_problem_of_valid_pattern_is_none(pattern: str) -> None:
    assert problem_of(pattern) is None


@pytest.mark.parametrize("pattern", ["[", "(?=a)", r"\C", r"a\Cb", r"\pL{300}", r"(a{1000}){1000}", "[:a" * 22_000])
def test_problem_of_unusable_pattern_is_reported(pattern: str) -> None:
    assert problem_of(pattern)


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("(?P<n>a)(?<m>b)", "(a)(b)"),
        (r"\(?<n>a", r"\(?<n>a"),
        ("[(?<n>]", "[(?<n>]"),
        (r"\Q(?<n>a\E(?<n>b)", r"\Q(?<n>a\E(b)"),
        ("(?:a)(?i)b", "(?:a)(?i)b"),
    ],
)
def test_without_names_removes_group_names_only(pattern: str, plain: str) -> None:
    assert without_names(pattern) == plain


@pytest.mark.parametrize("pattern", ["[" * 1000, "a" + "[^" * 500, "[a\\" * 300, "[" * 500 + "\\"])
def test_classes_that_are_not_closed_are_read_once(pattern: str) -> None:
    parts = list(_parts(pattern))
    assert "".join(parts) == pattern
    assert len(parts) <= 2, "each bracket is not followed to the end"
    assert problem_of(pattern) is not None
