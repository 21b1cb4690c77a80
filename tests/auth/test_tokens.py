"""Tokens and the tenants they stand for."""

import base64
import json

import pytest

from spanlake.auth.tokens import InvalidTokens, Tokens

SHOP, BANK = "a-token-of-the-shop", "a-token-of-the-bank"
TOKENS = Tokens.parse(json.dumps({SHOP: "shop", BANK: "bank"}))


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("authorization", "tenant"),
    [
        (f"Bearer {SHOP}", "shop"),
        (f"bearer  {BANK} ", "bank"),
        (basic(f"anybody:{SHOP}"), "shop"),
        (basic(f":{BANK}"), "bank"),
        (f"Bearer {SHOP}x", None),
        (f"Bearer {SHOP[:-1]}", None),
        ("Bearer", None),
        ("Bearer \ud800", None),
        (SHOP, None),
        (f"Digest {SHOP}", None),
        (basic(SHOP), None),
        ("Basic !", None),
        ("Basic gA==", None),
        ("", None),
    ],
)
def test_tokens_find_tenant_of_authorization_header(authorization: str, tenant: str | None) -> None:
    assert TOKENS.tenant_of(authorization) == tenant


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        (json.dumps(dict.fromkeys(map(str, range(10_001)), "shop")), "at most 10000"),
        ('{"too-short": "shop"}', "fewer than 16"),
        (json.dumps({SHOP: 1}), "not a string"),
        (json.dumps({SHOP: "a b"}), "unsupported character"),
    ],
)
def test_tokens_refuse_malformed_list(text: str, wrong: str) -> None:
    with pytest.raises(InvalidTokens, match=wrong) as refused:
        Tokens.parse(text)
    assert SHOP not in str(refused.value)


def test_tokens_are_not_kept_in_memory() -> None:
    assert SHOP not in repr(TOKENS)
