"""JSON Web Tokens of an issuer on a real server: issuer, audience, tenants, scopes, and keys that change."""

import hmac
import http.server
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.conftest import StartServer
from tests.scenarios.access.kit import LINES, READER, SENDERS, bearer, get, tenants_in, token_file
from tests.server_process import SpanlakeServer


class Issuer:
    """An issuer with a discovery document and keys, over HTTP on this machine."""

    def __init__(self) -> None:
        self.keys: list[Any] = [RSAKey.generate_key(2048, {"kid": "one"}), ECKey.generate_key("P-256", {"kid": "two"})]
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = issuer.document(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/realm"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def document(self, path: str) -> Any:
        if path == "/realm/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return KeySet(self.keys).as_dict(private=False) if path == "/realm/keys" else None

    def token(self, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """A token that expires in a minute, unless the claims say otherwise."""
        signed = key or self.keys[0]
        given = {"iss": self.url, "aud": "spanlake", "exp": int(time.time()) + 60, "team": "shop"} | claims
        header = {"alg": algorithm, "kid": signed.kid}
        return jwt.encode(header, {k: v for k, v in given.items() if v is not None}, signed, algorithms=[algorithm])

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """The issuer of the server."""
    found = Issuer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanlakeServer]:
    """A server that takes the issuer's tokens, and those of a file."""
    directory = tmp_path_factory.mktemp("guarded")
    accepted = ("--jwt-issuer", issuer.url, "--jwt-audience", "spanlake", "--tenant-claim", "team")
    server = SpanlakeServer(directory / "data", (*accepted, "--tokens", str(token_file(directory, LINES))))
    try:
        server.wait_until_ready()
        server.wait_for(lambda: get(server, "/api/echo", bearer(issuer.token())).status == 200)
        yield server
    finally:
        server.stop()


def echo(server: SpanlakeServer, token: str) -> int:
    return get(server, "/api/search", bearer(token)).status


def test_valid_tokens_of_any_published_key_are_accepted(guarded: SpanlakeServer, issuer: Issuer) -> None:
    assert echo(guarded, issuer.token()) == 200
    assert echo(guarded, issuer.token(issuer.keys[1], "ES256")) == 200
    assert echo(guarded, issuer.token(aud=["x", "spanlake"])) == 200
    assert echo(guarded, issuer.token(aud=None, client_id="spanlake")) == 200
    assert get(guarded, "/api/search", bearer(READER)).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": ["other"]},
        {"aud": "other", "client_id": "spanlake"},
        {"exp": 1},
        {"exp": None},
        {"exp": "never"},
        {"nbf": int(time.time()) + 3600},
    ],
)
def test_tokens_of_others_and_other_times_are_refused(
    guarded: SpanlakeServer, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert echo(guarded, issuer.token(**claims)) == 401


def signed_with_secret(secret: bytes, payload: str) -> str:
    """A token that is signed with a public key as if it were a shared secret."""
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    signature = hmac.digest(secret, f"{head}.{payload}".encode(), "sha256")
    return f"{head}.{payload}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_forged_tokens_are_refused(guarded: SpanlakeServer, issuer: Issuer) -> None:
    good = issuer.token()
    head, payload, signature = good.split(".")
    foreign = RSAKey.generate_key(2048, {"kid": "one"})
    public = issuer.keys[0].as_pem(private=False)
    for token in (
        issuer.token(foreign),
        signed_with_secret(public, payload),
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-8]}AAAAAAAA",
        "eyJhbGciOiJub25lIn0." + payload + ".",
        f"{head}.{'A' * 7000}.{signature}",
        "eyJ..",
    ):
        assert echo(guarded, token) == 401


@pytest.mark.parametrize(
    ("claims", "read", "written"),
    [
        ({}, 200, "200"),
        ({"scope": "openid spanlake:read"}, 200, "403"),
        ({"scp": ["spanlake/write"]}, 403, "200"),
        ({"scope": "spanlake.delete"}, 403, "403"),
        ({"team": None}, 403, "403"),
        ({"team": "a b"}, 200, "200"),
        ({"team": ["x/y"]}, 403, "403"),
    ],
)
def test_scopes_are_roles_and_a_claim_is_the_tenant(
    guarded: SpanlakeServer, issuer: Issuer, claims: dict[str, Any], read: int, written: str
) -> None:
    token = issuer.token(**claims)
    assert echo(guarded, token) == read
    assert SENDERS["otlp-http"](guarded, bearer(token)) == written


def test_every_protocol_takes_json_web_tokens(guarded: SpanlakeServer, issuer: Issuer) -> None:
    token = issuer.token(team="protocols")
    assert {send(guarded, bearer(token)) for send in SENDERS.values()} <= {"200", "202", "OK"}
    assert {send(guarded, bearer(token, "bank")) for send in SENDERS.values()} <= {"403", "PERMISSION_DENIED"}
    assert "protocols" in tenants_in(guarded.data)


def test_new_keys_of_the_issuer_are_fetched(start_server: StartServer) -> None:
    issuer = Issuer()
    arguments = ("--jwt-issuer", issuer.url, "--jwt-audience", "spanlake", "--default-tenant", "all")
    server = start_server(*arguments, environment={"SPANLAKE_TENANT_MAP": "shop=shop"})
    issuer.keys.append(RSAKey.generate_key(2048, {"kid": "three"}))
    new = issuer.token(issuer.keys[-1])
    server.wait_for(lambda: get(server, "/api/echo", bearer(new)).status == 200)
    assert SENDERS["otlp-grpc"](server, bearer(new)) == "OK"
    server.wait_for(lambda: tenants_in(server.data) == {"all"})
    issuer.close()


def test_without_keys_senders_are_told_to_try_again(start_server: StartServer, issuer: Issuer) -> None:
    server = start_server("--jwt-issuer", "http://127.0.0.1:9", "--jwt-audience", "spanlake")
    answer = get(server, "/api/echo", bearer(issuer.token()))
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert SENDERS["otlp-grpc"](server, bearer(issuer.token())) == "UNAVAILABLE"
    assert get(server, "/api/echo", bearer("another-token")).status == 401
