import pytest

from spanlake.cli.client.json import Value
from spanlake.cli.render.text import attributes, format_value, label

VALUES: list[tuple[Value, str]] = [
    (None, "nil"),
    (True, "true"),
    (17, "17"),
    (1.0, "1.0"),
    (float("nan"), "nan"),
    (b"\0\xff", "0x00ff"),
    ([1, "a", ["b c"]], '[1, a, ["b c"]]'),
    ({"k": 1, "l": [None]}, "{k: 1, l: [nil]}"),
    ("GET", "GET"),
    ("/api/café?a=1", "/api/café?a=1"),
    ("10.0.0.1:80", "10.0.0.1:80"),
    ("", '""'),
    ("17", '"17"'),
    ("-1.5e3", '"-1.5e3"'),
    ("true", '"true"'),
    ("nil", '"nil"'),
    ("a b", '"a b"'),
    ("a,b", '"a,b"'),
    ('say "x"\\', '"say \\"x\\"\\\\"'),
    ("a\nb", '"a\\nb"'),
    ("a\x1bb", "a\\x1bb"),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_shown_value_tells_its_type(value: Value, text: str) -> None:
    assert format_value(value) == text


def test_label_has_no_quotes() -> None:
    assert [label(value) for value in ("17", "a b", "\x1b", 17)] == ["17", "a b", r"\x1b", "17"]


LONG: list[Value] = ["x" * 10**6, " " * 10**6, b"x" * 10**6, list(range(10**6)), ["x" * 10**6] * 9, "\0" * 10**6]


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
def test_shown_value_is_truncated(value: Value) -> None:
    assert len(format_value(value)) == len(label(value)) == 301
    assert format_value(value).endswith("…")


def test_attributes_are_shown_as_key_and_value() -> None:
    items = attributes((("http.method", "GET"), ("a b\n", 1), ("http.method", "PUT")))
    assert [item.plain for item in items] == ["http.method=GET", r"a b\n=1", "http.method=PUT"]
