"""Who may send and ask, by the tokens in a secret."""

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from spanlake.aws import authorize
from spanlake.aws.authorize import TokenSecret
from tests.aws.events import Context, http_event
from tests.cloud import calls

TOKEN, OTHER = "a-token-of-the-shop", "a-token-that-is-new"


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
        (f"Bearer {TOKEN}", {"isAuthorized": True, "context": {"tenant": "shop"}}),
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
    assert secret.tenant_of(f"Bearer {TOKEN}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({OTHER: "bank"}))
    clock.seconds += 31
    assert secret.tenant_of(f"Bearer {OTHER}") == "bank"
    assert secret.tenant_of(f"Bearer {TOKEN}") is None


def test_both_tokens_of_a_change_are_valid_until_the_old_one_is_removed(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    assert secret.tenant_of(f"Bearer {TOKEN}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({TOKEN: "shop", OTHER: "shop"}))
    clock.seconds += 30
    for token in (OTHER, TOKEN, OTHER):
        assert secret.tenant_of(f"Bearer {token}") == "shop"
    client.put_secret_value(SecretId="tokens", SecretString=json.dumps({OTHER: "shop"}))
    clock.seconds += 300
    assert secret.tenant_of(f"Bearer {OTHER}") == "shop"
    assert secret.tenant_of(f"Bearer {TOKEN}") is None


def test_a_revoked_token_is_accepted_for_five_minutes_at_most(client: Any) -> None:
    clock = Clock()
    secret = TokenSecret(client, "tokens", clock)
    secret.tenant_of(f"Bearer {TOKEN}")
    client.put_secret_value(SecretId="tokens", SecretString="{}")
    clock.seconds += 300
    assert secret.tenant_of(f"Bearer {TOKEN}") is None


def test_wrong_tokens_do_not_cost_a_call_each(client: Any) -> None:
    secret = TokenSecret(client, "tokens", Clock())
    with calls(client) as made:
        for number in range(100):
            secret.tenant_of(f"Bearer guess-number-{number}")
    assert made == ["GetSecretValue"]
