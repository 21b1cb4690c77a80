"""TLS of every TCP listener: certificates, client certificates, and their renewal."""

import ssl
from collections.abc import Callable
from http.client import BadStatusLine, HTTPSConnection
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.payloads import export_request, stored_names
from tests.scenarios.access.certificates import Authority, Issued
from tests.scenarios.access.kit import EXPORT, READER, WRITER, bearer, token_file
from tests.server_process import SpanlakeServer, free_offset, patiently, run_until_exit

HTTP = (3200, 4318, 14268, 9411, 5778)
GRPC = (4317, 14250, 55678)


class SecureServer(SpanlakeServer):
    """A server whose ports speak TLS."""

    def wait_until_listening(self) -> "SecureServer":
        """Itself, once its log says that it is ready."""
        for _ in patiently():
            if self._has_begun():
                return self
            if self.status is not None:
                break
        raise RuntimeError(self.log())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority of the server."""
    return Authority(tmp_path)


Start = Callable[..., SecureServer]


@pytest.fixture
def start(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Starts servers with a certificate."""
    running: list[SecureServer] = []

    def start(issued: Issued, *arguments: str) -> SecureServer:
        files = ("--tls-cert", str(issued.cert), "--tls-key", str(issued.key))
        running.append(SecureServer(tmp_path / "data", (*files, *arguments)))
        return running[-1].wait_until_listening()

    yield start
    for server in running:
        server.stop()


def context(authority: Authority, client: Issued | None = None) -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(authority.file))
    if client is not None:
        found.load_cert_chain(client.cert, client.key)
    return found


def ask(server: SpanlakeServer, tls: ssl.SSLContext, port: int = 3200, path: str = "/ready", **more: object) -> int:
    connection = HTTPSConnection("127.0.0.1", port + server.offset, context=tls, timeout=60)
    try:
        connection.request("GET", path, **more)  # type: ignore[arg-type]
        return connection.getresponse().status
    finally:
        connection.close()


def presented(server: SpanlakeServer, tls: ssl.SSLContext) -> str:
    """The name in the certificate that a port presents."""
    connection = HTTPSConnection("127.0.0.1", 3200 + server.offset, context=tls, timeout=60)
    try:
        connection.connect()
        certificate: Any = connection.sock.getpeercert()
        return str(certificate["subject"][0][0][1])
    finally:
        connection.close()


def export(server: SpanlakeServer, name: str, tls: grpc.ChannelCredentials, headers: dict[str, str]) -> str:
    metadata = tuple((key.lower(), value) for key, value in headers.items())
    with grpc.secure_channel(f"localhost:{4317 + server.offset}", tls) as channel:
        try:
            call = channel.unary_unary(EXPORT, bytes, bytes)
            call(export_request(name).SerializeToString(), metadata=metadata, timeout=20)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def test_every_tcp_port_speaks_tls(start: Start, authority: Authority) -> None:
    server = start(authority.issue("server"))
    tls = context(authority)
    assert {ask(server, tls, port, "/nothing") for port in HTTP} == {404}
    trusted = grpc.ssl_channel_credentials(authority.file.read_bytes())
    for port in GRPC:
        with grpc.secure_channel(f"localhost:{port + server.offset}", trusted) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
    assert export(server, "one", trusted, {}) == "OK"
    assert stored_names(server.data) == ["one"]
    with pytest.raises((ConnectionError, BadStatusLine)):
        server.get("/ready")
    urls = [str(event["url"]) for event in server.events() if event["event"] == "listening"]
    assert {url.partition(":")[0] for url in urls} == {"https", "grpcs", "udp"}


def test_clients_need_a_certificate_of_the_client_authority(start: Start, authority: Authority, tmp_path: Path) -> None:
    clients, strangers = Authority(tmp_path, "clients"), Authority(tmp_path, "strangers")
    server = start(authority.issue("server"), "--tls-client-ca", str(clients.file))
    own, foreign = clients.issue("client"), strangers.issue("stranger")
    assert ask(server, context(authority, own)) == 200
    for client in (None, foreign):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(server, context(authority, client))
    ca = authority.file.read_bytes()
    credentials = {
        "OK": grpc.ssl_channel_credentials(ca, own.key.read_bytes(), own.cert.read_bytes()),
        "UNAVAILABLE": grpc.ssl_channel_credentials(ca, foreign.key.read_bytes(), foreign.cert.read_bytes()),
    }
    assert {code: export(server, "x", tls, {}) for code, tls in credentials.items()} == {
        code: code for code in credentials
    }


def test_tokens_are_asked_for_over_tls_too(start: Start, authority: Authority, tmp_path: Path) -> None:
    server = start(authority.issue("server"), "--tokens", str(token_file(tmp_path)))
    tls, trusted = context(authority), grpc.ssl_channel_credentials(authority.file.read_bytes())
    assert [ask(server, tls, path="/api/echo", headers=found) for found in ({}, bearer(READER))] == [401, 200]
    assert [export(server, "x", trusted, found) for found in ({}, bearer(WRITER))] == ["UNAUTHENTICATED", "OK"]


def test_renewed_certificates_and_client_authorities_count_without_a_restart(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    accepted = tmp_path / "accepted.pem"
    accepted.write_bytes(first.file.read_bytes())
    issued = authority.issue("server")
    server = start(issued, "--tls-client-ca", str(accepted))
    old, new = context(authority, first.issue("old")), context(authority, second.issue("new"))
    assert presented(server, old) == "server"
    renewed = authority.issue("renewed")
    issued.cert.write_bytes(renewed.cert.read_bytes())
    server.wait_for(lambda: "TLS files not reloaded" in server.log())  # the key is still the former one
    assert ask(server, old) == 200
    issued.key.write_bytes(renewed.key.read_bytes())
    accepted.write_bytes(second.file.read_bytes())
    server.wait_for(lambda: "TLS files reloaded" in server.log())
    assert presented(server, new) == "renewed"
    assert ask(server, new) == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(server, old)


@pytest.mark.parametrize("broken", ["missing", "mismatch", "rubbish", "no certificate"])
def test_unusable_files_end_the_start(authority: Authority, tmp_path: Path, broken: str) -> None:
    issued, other = authority.issue("server"), authority.issue("other")
    if broken == "missing":
        issued.key.unlink()
    elif broken == "mismatch":
        issued.key.write_bytes(other.key.read_bytes())
    elif broken == "rubbish":
        issued.cert.write_text("rubbish")
    cert = () if broken == "no certificate" else ("--tls-cert", str(issued.cert))
    arguments = ("--data", str(tmp_path / "data"), "--port-offset", str(free_offset()))
    finished = run_until_exit(*arguments, *cert, "--tls-key", str(issued.key), log=tmp_path / "log")
    assert finished.status == 1
    assert "TLS" in finished.output
    assert "Traceback" not in finished.output
