"""RE2's regular expressions mean the same once they are Java's."""

import pytest
import re2  # type: ignore[import-untyped]

from spanlake.query.engine.athena.regex import anchored
from spanlake.query.engine.base import NotSupportedByEngine
from tests.trino import Trino

TEXTS = [
    *(
        "",
        "a",
        "A",
        "ab",
        "a\nb",
        "foo\n",
        "GET /x/12",
        "é",
        "٣",
        "a]b",
        "a-b",
        "x{1}",
        "{,5}",
        "tab\t",
        "v\v",
        "_",
        "[",
    ),
    *("[", "&&"),
]
PATTERNS = [
    *(
        "a",
        "a.b",
        ".*",
        "a|ab",
        "a$",
        "^a.*b$",
        "foo$\\n?",
        "GET .*",
        r"\Aa\z",
        "a{1,2}b",
        "a*?b",
        "é",
        r"\.|_",
        r"a\-b",
    ),
    *(r"\w+", r"\d+", r"\D+", r"\S*\s?", r"[\w-]+", r"[^\d]", r"[\Wé]", "[[:alpha:]]+", "[[:^digit:]_]", "[^a]*"),
    *(r"[a\]]+b", "a[]]b", "[a-]+b", "[[]", "[&&]+", "x{1}", r"x\{1\}", "{,5}", "x{1,"),
    *("(a)(b)?", "(?:a|b)*", "(?P<x>a)b", "(?<x>a)b", "(?i)A", "(?i:a)B", "(?-s).*"),
    *(r"\Qa]\Eb", r"\x61", r"\x{e9}", r"\141", r"tab\t", r"\v|v\v", r"a\-b"),
]


def test_meaning(trino: Trino) -> None:
    valid = [pattern for pattern in PATTERNS if _compiled(pattern)]
    assert len(valid) > len(PATTERNS) - 4
    texts = ", ".join(f"({n}, '{text}')" for n, text in enumerate(TEXTS))
    tests = ", ".join(f"REGEXP_LIKE(t, '{anchored(pattern)}')" for pattern in valid)
    rows = trino.query(f"SELECT n, {tests} FROM (VALUES {texts}) AS x(n, t) ORDER BY n").rows
    for text, (_, *found) in zip(TEXTS, rows, strict=True):
        wanted = [_compiled(pattern).fullmatch(text) is not None for pattern in valid]
        wrong = [pattern for pattern, a, b in zip(valid, found, wanted, strict=True) if a != b]
        assert not wrong, f"{text!r} is told otherwise by {wrong}"


def _compiled(pattern: str):  # type: ignore[no-untyped-def]  # re2 has no types
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


@pytest.mark.parametrize("pattern", [r"\bx", r"\B", r"\pL", r"[\p{Greek}]", "(?U)a+", "(?m)^a$", r"\C"])
def test_what_has_no_counterpart_is_refused(pattern: str) -> None:
    with pytest.raises(NotSupportedByEngine):
        anchored(pattern)
