"""Structural operators after by() relate spans of one group; other stages before them narrow both sides (P1, P2)."""

import pytest

from tests.query.kit import At, Lake

SPANS = [
    At(1, name="a", attributes={"g": 1}),
    At(2, 1, name="b", attributes={"g": 2}),
    At(3, 2, name="c", attributes={"g": 1}, events=[("x", 0, {}), ("y", 0, {})]),
    At(4, 2, name="d", attributes={"g": "1"}, events=[("y", 0, {})]),
    At(5, 3, name="e", events=[("z", 0, {})]),
    At(6, 3, name="f", events=[("y", 0, {}), ("x", 0, {})]),
    At(1, trace=2, name="g", attributes={"g": 2}),
    At(2, 1, trace=2, name="h", attributes={"g": 1}),
]

CASES = [
    ("{ } | by(span.g) | ({ } >> { })", "c"),  # beyond a span of another group
    ("{ } | by(span.g) | ({ } << { })", "a"),
    ("{ } | by(span.g) | ({ } > { })", ""),
    ("{ } | by(span.g) | ({ } ~ { })", "ef"),
    ("{ } | by(span.g) | ({ } !>> { })", "abdefgh"),
    ("{ } | by(span.g) | ({ } &>> { })", "ac"),
    ('{ } | by(event:name) | ({ name = "c" } > { })', "f"),
    ("{ } | by(event:name) | ({ } ~ { })", "cd"),  # both have a y
    ("{ } | by(event:name) | ({ } !~ { })", "abcefgh"),  # c by its x
    ("{ } | by(span.g) | coalesce() | ({ } > { })", "bcdefh"),
    ("({ } | by(span.g) | ({ } >> { })) && { }", "abcdef"),
    ("{ } | by(span.g) | ({ } >> { }) | count() = 1", "c"),
    # narrowed before
    ('{ name != "b" } | ({ } > { })', "efh"),
    ('{ name != "a" } | ({ } >> { })', "cdefh"),
    ('{ name != "a" } | { name != "b" } | ({ } !>> { })', "cdg"),
    ("{ } | count() > 2 | ({ } > { })", "bcdef"),
]


@pytest.mark.parametrize(("query", "names"), CASES)
def test_structure_relates_spans_of_one_set(lake: Lake, query: str, names: str) -> None:
    lake.add(*SPANS)
    assert sorted(set(lake.names(query))) == list(names)
