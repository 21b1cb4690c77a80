"""The web page: its files, their headers, and that nothing else is given out."""

import re
from pathlib import Path

import pytest

from spanlake.api import page
from tests.server_process import SpanlakeServer

FOLDER = Path(page.__file__).parent / "static"


def test_page_is_served_under_a_strict_policy(server: SpanlakeServer) -> None:
    answer = server.get("/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert "set-cookie" not in answer.headers


def test_page_loads_its_own_files_alone(server: SpanlakeServer) -> None:
    loaded = re.findall(r'(?:src|href)="([^"]+)"', server.get("/").body.decode())
    local = [reference for reference in loaded if not reference.startswith("data:")]
    assert local
    for reference in local:
        assert not re.match(r"(\w+:)?//", reference)
        assert server.get(f"/{reference}").status == 200


def test_every_file_is_kept_for_ever_and_compressed(server: SpanlakeServer) -> None:
    for file in (FOLDER / "assets").iterdir():
        answer = server.get(f"/assets/{file.name}", {"Accept-Encoding": "gzip"})
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers.get("content-encoding") == ("gzip" if file.stat().st_size > 2048 else None)
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("weak", ["", "W/"])
def test_a_known_page_is_not_sent_again(server: SpanlakeServer, weak: str) -> None:
    tag = server.get("/").headers["etag"]
    answer = server.get("/", {"If-None-Match": f'"other", {weak}{tag}'})
    assert (answer.status, answer.body) == (304, b"")
    assert server.get("/", {"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("name", ["..%2fpage.py", "%2e%2e/index.html", "nothing.js", "LICENSES.txt", ".."])
def test_no_other_file_is_given_out(server: SpanlakeServer, name: str) -> None:
    assert server.get(f"/assets/{name}").status == 404


def test_scripts_name_no_other_host() -> None:
    allowed = re.compile(rb"https?://(www\.w3\.org/|github\.com/open-telemetry/|preactjs\.com|codemirror\.net|\$\{)")
    for file in (FOLDER / "assets").iterdir():
        content = file.read_bytes()
        found = set(re.findall(rb"""https?://[^\s"'`)]+""", content))
        assert not [url for url in found if not allowed.match(url)], file.name
