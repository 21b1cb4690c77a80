import pytest

from spanlake.cli.client.client import base_url, connect
from spanlake.cli.errors import InvalidOption


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:3200", "http://127.0.0.1:3200"),
        ("https://tempo.example/", "https://tempo.example"),
        ("HTTP://[::1]:3200", "HTTP://[::1]:3200"),
        ("https://grafana.example/api/datasources/proxy/uid/x/", "https://grafana.example/api/datasources/proxy/uid/x"),
    ],
)
def test_base_url_completes_address(given: str, used: str) -> None:
    assert base_url(given) == used


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost",
        "localhost:3200",
        "//localhost",
        "http://",
        "http:///path",
        "file:///etc/passwd",
        "ftp://host",
        "data:,x",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://host/a b",
        "http://host/\r\nX: y",
        "http://höst",
        "http://host?x=1",
        "http://host#x",
    ],
)
def test_base_url_rejects_malformed_address(given: str) -> None:
    with pytest.raises(InvalidOption, match="invalid --url"):
        base_url(given)


def test_base_url_error_hides_credentials() -> None:
    with pytest.raises(InvalidOption, match="--header") as caught:
        base_url("http://user:secret@host")
    assert "secret" not in str(caught.value)


def test_connect_reads_headers() -> None:
    client = connect("http://host", "shop", ["Authorization: Bearer a:b", "X-Empty:"], 1)
    assert client.headers == {"Authorization": "Bearer a:b", "X-Empty": "", "X-Scope-OrgID": "shop"}


@pytest.mark.parametrize(
    "header", ["secret", ": secret", "a b: secret", "X: secret\r\nY: z", "X: secret\0", "X: sécret\u0142"]
)
def test_connect_error_hides_malformed_header(header: str) -> None:
    with pytest.raises(InvalidOption, match="invalid") as caught:
        connect("http://host", "", [header], 1)
    assert "cret" not in str(caught.value)
