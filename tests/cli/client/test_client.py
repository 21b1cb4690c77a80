import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from spanlake.cli.client.client import Client
from spanlake.cli.errors import Refused, Unreachable
from tests.cli.tempo import Tempo


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_client_sends_parameters_and_headers_unchanged(tempo: Tempo) -> None:
    tempo.answers(b"body")
    client = Client(f"{tempo.url}/base", {"X-Token": "t"}, 10)
    assert client.get("/api/x", {"q": '{ .a = "ü&" } | x'}) == b"body"
    assert (tempo.last.path, tempo.last.params) == ("/base/api/x", {"q": '{ .a = "ü&" } | x'})
    assert tempo.last.headers["x-token"] == "t"


def test_client_bounds_size_of_answer(tempo: Tempo) -> None:
    tempo.answers(b"x" * 3_000_000)
    assert len(Client(tempo.url, {}, 10, max_bytes=3_000_000).get("/")) == 3_000_000
    with pytest.raises(Unreachable, match="larger than 2 MiB"):
        Client(tempo.url, {}, 10, max_bytes=2 << 20).get("/")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, b"bad\nquery", "^bad query$"),
        (400, b"", "answered 400$"),
        (401, b"no", r"requires credentials.*--header.* \(401: no\)$"),
        (403, {"message": "no"}, r"--tenant \(403: no\)$"),
        (404, {"detail": "Not Found"}, "/api/x answered 404: is it the address of a Tempo API"),
        (404, b"<html>\nnginx</html>", "/api/x answered 404: is it the address of a Tempo API"),
        (404, b"Not Found: this port is for Zipkin", "/api/x answered 404: Not Found: this port is for Zipkin$"),
        (429, b"", "try again later$"),
        (502, b"<html>\nnginx</html>", "answered 502: a page for browsers$"),
        (500, b"\xff\x1b" + b"x" * 5000, r"answered 500: \ufffd\\x1bx{900,1000}$"),
        (503, b"[" * 5000, r"try again later \(503: \[+\)$"),
    ],
)
def test_client_reports_refusals_of_server(tempo: Tempo, status: int, body: object, told: str) -> None:
    tempo.answers(body, status)
    with pytest.raises(Refused, match=told) as caught:
        Client(tempo.url, {}, 10).get("/api/x")
    assert caught.value.status == status


def test_client_follows_no_redirect(tempo: Tempo) -> None:
    tempo.answers(b"", 302, {"Location": "http://elsewhere.example/api/x"})
    with pytest.raises(Refused, match=r"redirects to http://elsewhere\.example/api/x"):
        Client(tempo.url, {"Authorization": "secret"}, 10).get("/api/x")
    assert len(tempo.asked) == 1


def test_client_uses_no_proxy_for_this_machine(tempo: Tempo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    tempo.answers(b"direct")
    assert Client(tempo.url, {}, 10).get("/") == b"direct"


def test_client_uses_proxy_for_other_hosts(tempo: Tempo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", tempo.url)
    tempo.answers(b"through it")
    assert Client("http://tempo.example", {}, 10).get("/") == b"through it"


def test_client_reports_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=r"no server at .*spanlake serve.*--url"):
        Client(f"http://127.0.0.1:{port}", {}, 10).get("/")


def test_client_reports_unknown_host() -> None:
    with pytest.raises(Unreachable, match=r"no answer from http://nowhere\.invalid: "):
        Client("http://nowhere.invalid", {}, 10).get("/")


def test_client_reports_invalid_host_name() -> None:
    with pytest.raises(Unreachable, match="no answer from"):
        Client(f"http://{'a' * 70}.example", {}, 10).get("/")


@contextmanager
def saying(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that does this with its one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "no answer from"),
        (b"\0\0\x12\x04\0\0", "no answer from"),
        (b"SSH-2.0-x\r\n", "no answer from"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "before the end of its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "no answer from"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no answer from"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, "no answer from"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "no answer from"),
    ],
)
def test_client_reports_malformed_answer(said: bytes, told: str) -> None:
    with saying(lambda connection: connection.sendall(said)) as url, pytest.raises(Unreachable, match=told):
        Client(url, {}, 10).get("/")


def test_client_names_the_other_scheme_where_tls_meets_none(tempo: Tempo) -> None:
    with pytest.raises(Unreachable, match=r"is it http:// there\?$"):
        Client(tempo.url.replace("http:", "https:"), {}, 10).get("/")
    with saying(lambda _: None) as url, pytest.raises(Unreachable, match=r"is it https:// there\?$"):
        Client(url, {}, 10).get("/")


def test_client_reports_error_without_message() -> None:
    said = b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
    with saying(lambda connection: connection.sendall(said)) as url, pytest.raises(Refused, match=r"answered 500$"):
        Client(url, {}, 10).get("/")


def test_client_times_out_without_answer() -> None:
    done = threading.Event()
    with saying(lambda _: done.wait(60)) as url:
        with pytest.raises(Unreachable, match=r"not answered within 0\.05 s.*--timeout"):
            Client(url, {}, 0.05).get("/")
        done.set()


def test_client_times_out_on_endless_slow_answer() -> None:
    done = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while not done.wait(0.01):
                connection.sendall(b"x")

    with saying(trickle) as url:
        with pytest.raises(Unreachable, match=r"not answered within 0\.2 s"):
            Client(url, {}, 0.2).get("/")
        done.set()
