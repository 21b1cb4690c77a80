"""Who may send and ask, by the tokens in a secret."""

import json
import time
from threading import Event
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from spanlake.auth.access import CannotVerify, Role, Unauthenticated
from spanlake.auth.token_secret import TokenSecret
from spanlake.auth.tokens import line_of
from spanlake.aws import authorize
from spanlake.server.access import open_access, udp_tenant
from spanlake.settings.access import AccessSettings
from spanlake.store import aws_client
from tests.aws.events import Context, http_event, rest_event
from tests.cloud import calls

TOKEN, OTHER = "a-token-of-the-shop", "a-token-that-is-new"


CONTEXT = {"tenant": "shop", "tenants": "shop", "roles": "delete,read,write"}


def tenant_of(secret: TokenSecret, authorization: str) -> str | None:
    """The tenant of a header, None when the token is not known."""
    try:
        return secret.access(authorization).one(())
    except Unauthenticated:
        return None


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="tokens", SecretString=json.dumps({TOKEN: "shop"}))
        yield client


@pytest.mark.parametrize(
    ("authorization", "answer"),
    [
        (f"Bearer {TOKEN}", {"isAuthorized": True, "context": CONTEXT}),
        (f"Bearer {OTHER}", {"isAuthorized": False}),
        ("", {"isAuthorized": False}),
    ],
)
def test_the_answer(client: Any, monkeypatch: pytest.MonkeyPatch, authorization: str, answer: dict[str, Any]) -> None:
    monkeypatch.setenv("SPANLAKE_TOKENS_SECRET", "tokens")
    headers = {"authorization": authorization} if authorization else {}
    assert authorize.handler()(http_event("GET", "/api/echo", headers=headers), Context()) == answer


def test_a_token_that_is_new_works_at_once_and_one_that_is_gone_soon_does_not(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({OTHER: "bank"}))
    clock.seconds += 31
    assert tenant_of(secret, f"Bearer {OTHER}") == "bank"
    assert tenant_of(secret, f"Bearer {TOKEN}") is None


def test_both_tokens_of_a_change_are_valid_until_the_old_one_is_removed(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({TOKEN: "shop", OTHER: "shop"}))
    clock.seconds += 30
    for token in (OTHER, TOKEN, OTHER):
        assert tenant_of(secret, f"Bearer {token}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({OTHER: "shop"}))
    clock.seconds += 300
    assert tenant_of(secret, f"Bearer {OTHER}") == "shop"
    assert tenant_of(secret, f"Bearer {TOKEN}") is None


def test_a_revoked_token_is_accepted_for_five_minutes_at_most(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    tenant_of(secret, f"Bearer {TOKEN}")
    client.put_secret_value(SecretId="tokens", SecretString="{}")
    clock.seconds += 300
    assert tenant_of(secret, f"Bearer {TOKEN}") is None


def test_wrong_tokens_do_not_cost_a_call_each(client: Any) -> None:
    secret = TokenSecret(client, "tokens", Clock())
    with calls(client) as made:
        for number in range(100):
            tenant_of(secret, f"Bearer guess-number-{number}")
    assert made == ["GetSecretValue"]


class Throttled:
    """A client of a secret that can be read only for a while."""

    def __init__(self, text: str) -> None:
        self.text: str | None = text
        self.asked = 0

    def get_secret_value(self, **_: str) -> dict[str, str]:
        self.asked += 1
        if self.text is None:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "GetSecretValue")
        return {"SecretString": self.text}


@pytest.mark.parametrize("text", [None, "{", "rubbish", json.dumps({"short": "shop"})])
def test_known_tokens_count_while_the_secret_cannot_be_used(text: str | None) -> None:
    clock, client = Clock(), Throttled(json.dumps({TOKEN: "shop"}))
    secret = TokenSecret(client, "tokens", clock)  # type: ignore[arg-type]
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"
    client.text = text
    for _ in range(3):
        clock.seconds += 301
        assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"
        assert tenant_of(secret, f"Bearer {OTHER}") is None
    client.text = json.dumps({OTHER: "bank"})
    clock.seconds += 31
    assert tenant_of(secret, f"Bearer {OTHER}") == "bank"


def test_without_any_tokens_read_nothing_is_decided() -> None:
    client = Throttled(json.dumps({TOKEN: "shop"}))
    client.text = None
    secret = TokenSecret(client, "tokens", Clock())  # type: ignore[arg-type]
    with pytest.raises(CannotVerify):
        secret.access(f"Bearer {TOKEN}")
    client.text = json.dumps({TOKEN: "shop"})
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"


@pytest.mark.parametrize(
    ("route", "roles", "allowed"),
    [
        ("POST /v1/traces", [Role.WRITE], True),
        ("POST /{proxy+}", [Role.READ], False),
        ("GET /api/traces/{traceId}", [Role.READ], True),
        ("GET /api/search", [Role.WRITE], False),
        ("DELETE /api/traces/{traceId}", [Role.READ, Role.WRITE], False),
        ("DELETE /api/traces/{traceId}", [Role.DELETE], True),
        ("GET /status/config", [Role.READ], False),
    ],
)
def test_the_role_is_that_of_the_route(
    client: Any, monkeypatch: pytest.MonkeyPatch, route: str, roles: list[Role], allowed: bool
) -> None:
    monkeypatch.setenv("SPANLAKE_TOKENS_SECRET", "tokens")
    client.put_secret_value(SecretId="tokens", SecretString=line_of(TOKEN, ["shop", "bank"], roles, "grafana"))
    event = {**http_event("GET", "/", headers={"authorization": f"Bearer {TOKEN}"}), "routeKey": route}
    answer = authorize.handler()(event, Context())
    assert answer["isAuthorized"] is allowed
    if allowed:
        assert answer["context"]["tenants"] == "shop,bank"
        assert answer["context"]["name"] == "grafana"


def rest_answer(monkeypatch: pytest.MonkeyPatch, token: str, path: str = "/v1/traces") -> dict[str, Any]:
    """The answer to a REST API, whose events have the client's own letters in headers."""
    monkeypatch.setenv("SPANLAKE_TOKENS_SECRET", "tokens")
    event = rest_event("POST", path, headers={"Authorization": f"Bearer {token}"})
    arn = f"arn:aws:execute-api:us-east-1:123456789012:abc/spans/POST{path}"
    answer: dict[str, Any] = authorize.handler()({**event, "type": "REQUEST", "methodArn": arn}, Context())
    return answer


def test_rest_api_is_answered_with_a_policy_for_all_paths_of_the_method(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = rest_answer(monkeypatch, TOKEN)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement == {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        "Resource": "arn:aws:execute-api:us-east-1:123456789012:abc/spans/POST/*",
    }
    assert answer["context"] == CONTEXT
    (statement,) = rest_answer(monkeypatch, OTHER)["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"


def test_rest_api_lets_nobody_send_who_may_only_read(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.put_secret_value(SecretId="tokens", SecretString=line_of(TOKEN, ["shop"], [Role.READ], "grafana"))
    answer = rest_answer(monkeypatch, TOKEN)
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert "context" not in answer


def test_a_secret_that_hangs_is_given_up_before_api_gateway_does(client: Any) -> None:
    """All attempts have one limit together."""
    hanging = aws_client.Session().client("secretsmanager", aws_client.config(3.0))
    ended = Event()

    def hang(**_: Any) -> None:
        time.sleep(60)
        ended.set()

    hanging.meta.events.register("before-send", hang)
    secret = TokenSecret(hanging, "tokens", longest_seconds=0.5)
    with pytest.raises(CannotVerify):
        secret.access(f"Bearer {TOKEN}")
    assert not ended.is_set()


def test_secret_without_a_value_lets_nobody_in_until_it_has_one(client: Any) -> None:
    arn, clock = client.create_secret(Name="new")["ARN"], Clock()
    secret = TokenSecret(client, arn, clock)
    assert tenant_of(secret, f"Bearer {TOKEN}") is None
    client.put_secret_value(SecretId=arn, SecretString=json.dumps({TOKEN: "shop"}))
    clock.seconds += 30
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"


def test_secret_that_is_gone_leaves_its_tokens(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    tenant_of(secret, f"Bearer {TOKEN}")
    client.delete_secret(SecretId="tokens", ForceDeleteWithoutRecovery=True)
    clock.seconds += 301
    assert tenant_of(secret, f"Bearer {TOKEN}") == "shop"


def test_server_reads_the_secret_in_the_background_and_sooner_after_an_unknown_token(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    secret.refresh()
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({OTHER: "bank"}))
    with calls(client) as made:
        clock.seconds += 31
        secret.refresh()
        assert secret.access_of_token(TOKEN).one(()) == "shop"
        with pytest.raises(Unauthenticated):
            secret.access_of_token(OTHER)
        assert made == []
        secret.refresh()
        assert made == ["GetSecretValue"]
    assert secret.access_of_token(OTHER).one(()) == "bank"


def test_edge_takes_the_tokens_of_the_authorizer(client: Any) -> None:
    settings = AccessSettings(tokens_secret="tokens")
    access = open_access(settings)
    assert not access.is_open
    assert access.authenticator.access([f"Bearer {TOKEN}"]).one(()) == "shop"
    with pytest.raises(Unauthenticated):
        access.authenticator.access([])
    assert udp_tenant(settings) is None
