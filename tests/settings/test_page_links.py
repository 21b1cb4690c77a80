"""The links of the web page: what is read of Jaeger's format, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from spanlake.settings.page_links import LinkPattern, parse_page_links
from spanlake.settings.units import InvalidSetting

URL = "https://logs.example/search?q=#{order.id}"


def pattern(**changed: Any) -> dict[str, Any]:
    fields = {"key": "order.id", "url": URL, "text": "logs of #{order.id}"} | changed
    return {name: value for name, value in fields.items() if value is not None}


def test_parse_page_links_reads_text_and_file(tmp_path: Path) -> None:
    text = json.dumps([pattern(type="tags"), pattern(key=["a", "b"])])
    expected = (
        LinkPattern("span", ("order.id",), URL, "logs of #{order.id}"),
        LinkPattern("", ("a", "b"), URL, "logs of #{order.id}"),
    )
    file = tmp_path / "links.json"
    file.write_text(text)
    assert tuple(parse_page_links(text)) == expected
    assert tuple(parse_page_links(str(file))) == expected
    assert not parse_page_links("")


def test_parse_page_links_reads_configuration_of_jaeger_ui() -> None:
    of_trace = pattern(
        type="traces", key=None, url="http://x.example/#{startTime | add -5 | epoch_micros_to_date_iso}", text="logs"
    )
    (found,) = parse_page_links(json.dumps({"menu": [], "linkPatterns": [of_trace]}))
    assert (found.scope, found.keys) == ("trace", ())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"url": "javascript:alert(1)"}, "http:// or https://"),
        ({"url": "https://#{host}/x"}, "without a template"),
        ({"url": "https://user@x.example/"}, "http:// or https://"),
        ({"url": " https://x.example/"}, "http:// or https://"),
        ({"url": "//x.example/"}, "http:// or https://"),
        ({"url": None}, "url is not a text"),
        ({"text": ""}, "text is not a text"),
        ({"text": "x" * 3000}, "at most 2048"),
        ({"key": None}, "key is neither"),
        ({"key": []}, "key is neither"),
        ({"key": [7]}, "key is neither"),
        ({"type": "spans"}, "type is not one of"),
        ({"type": ["tags"]}, "type is not one of"),
        ({"values": "x"}, "'values' is unknown"),
        ({"text": "#{}"}, "names no attribute"),
        ({"text": "#{a | eval x}"}, "is no function"),
        ({"text": "#{a | add x}"}, "is no function"),
    ],
)
def test_parse_page_links_refuses(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSetting, match="link 2 of the page") as refused:
        parse_page_links(json.dumps([pattern(), pattern(**changed)]))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "text", ["[", "{}", '{"linkPatterns": 7}', "[7]", f"[{'{},' * 200}{{}}]", "[" * 10**6, "/no/such/file", "/dev"]
)
def test_parse_page_links_refuses_what_is_no_list(text: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_page_links(text)


def test_parse_page_links_refuses_large_files(tmp_path: Path) -> None:
    file = tmp_path / "links.json"
    file.write_text("[" + " " * (1 << 20) + "]")
    with pytest.raises(InvalidSetting, match="more than 1048576 bytes"):
        parse_page_links(str(file))
