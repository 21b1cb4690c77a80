"""Tokens, the tenants and roles they stand for."""

import base64
import json

import pytest

from spanlake.auth.access import Access, Role, Unauthenticated
from spanlake.auth.tokens import InvalidTokens, Tokens, line_of, new_token

SHOP, BANK = "a-token-of-the-shop", "a-token-of-the-bank"
BARE = Tokens.parse(json.dumps({SHOP: "shop", BANK: "bank"}))
READ = [Role.READ]


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def tenant_of(tokens: Tokens, *authorization: str) -> str | None:
    try:
        return tokens.access(authorization).one(())
    except Unauthenticated:
        return None


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
    assert tenant_of(BARE, authorization) == tenant


def test_tokens_refuse_several_headers_and_none() -> None:
    assert tenant_of(BARE) is None
    assert tenant_of(BARE, f"Bearer {SHOP}", f"Bearer {BANK}") is None
    assert tenant_of(BARE, f"Bearer {SHOP}", f"Bearer {SHOP}") == "shop"


@pytest.mark.parametrize(
    ("tenants", "roles", "access"),
    [
        (["shop"], ["read"], Access(("shop",), frozenset({Role.READ}), "grafana")),
        (["b", "a", "b"], ["write", "read"], Access(("b", "a"), frozenset({Role.READ, Role.WRITE}), "grafana")),
        (["*"], ["admin"], Access(None, frozenset({Role.ADMIN}), "grafana")),
    ],
)
def test_line_of_a_new_token_grants_its_tenants_and_roles(tenants: list[str], roles: list[str], access: Access) -> None:
    token = new_token()
    line = line_of(token, tenants, [Role(role) for role in roles], "grafana")
    assert token not in line
    assert Tokens.parse(f"# team\n\n  {line}  # for the dashboard\n").access([f"Bearer {token}"]) == access


def test_json_names_hashes_tenants_and_roles() -> None:
    digest = line_of(SHOP, ["x"], READ).split()[0]
    tokens = Tokens.parse(json.dumps({digest: {"tenants": ["a", "b"], "roles": ["read"], "name": "x"}}))
    assert tokens.access([f"Bearer {SHOP}"]) == Access(("a", "b"), frozenset(READ), "x")


@pytest.mark.parametrize("text", ["[]", "{", '["a"]', "[" * 100_000])
def test_tokens_refuse_what_is_no_list(text: str) -> None:
    with pytest.raises(InvalidTokens):
        Tokens.parse(text)


def test_tokens_refuse_more_than_the_limit() -> None:
    with pytest.raises(InvalidTokens, match="at most 10000"):
        Tokens.parse("\n".join(f"sha256:{number:064x} a read" for number in range(10_001)))


@pytest.mark.parametrize(
    ("bad", "wrong"),
    [
        ({"too-short": "shop"}, "fewer than 16"),
        ({SHOP: 1}, "tenant id is empty"),
        ({SHOP: "a b"}, "unsupported character"),
        ({SHOP: {"tenants": ["a"]}}, "roles are not"),
        ({SHOP: {"tenants": ["a"], "roles": ["root"]}}, "roles are not"),
        ({SHOP: {"tenants": [], "roles": ["read"]}}, "tenant id is empty"),
    ],
)
def test_invalid_entry_is_left_out_alone(bad: dict[str, object], wrong: str) -> None:
    tokens = Tokens.parse(json.dumps({**bad, BANK: "bank"}))
    assert tenant_of(tokens, f"Bearer {BANK}") == "bank"
    (fault,) = tokens.faults
    assert wrong in fault
    assert SHOP not in fault


@pytest.mark.parametrize(
    "line", ["shop read", "sha256:12 shop read", f"sha256:{'0' * 64}", f"sha256:{'0' * 64} a read x y"]
)
def test_invalid_line_is_left_out_alone(line: str) -> None:
    tokens = Tokens.parse(f"{line}\n{line_of(BANK, ['bank'], READ)}")
    assert tenant_of(tokens, f"Bearer {BANK}") == "bank"
    assert tokens.faults[0].startswith("line 1: ")


def test_tokens_are_not_kept_in_memory() -> None:
    assert SHOP not in repr(BARE)
