"""Whose request it is: what the authorizer found out, and what a client may say beside it."""

from typing import Any

import pytest

from spanlake.auth.access import AccessError, Role
from spanlake.aws.gateway import gateway_access
from spanlake.store.errors import InvalidTenant

LAMBDA = {"lambda": {"tenant": "shop"}}
TWO = {"lambda": {"tenant": "shop", "tenants": "shop,bank", "roles": "read"}}
ANY = {"lambda": {"tenant": "*", "tenants": "*", "roles": "admin,read"}}
JWT = {"jwt": {"claims": {"team": "shop"}}}
COGNITO = {"jwt": {"claims": {"client_id": "4n4b", "scope": "spanlake/write spanlake/delete openid"}}}
ACCOUNT = "123456789012"
IAM = {"iam": {"accountId": ACCOUNT, "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/collector/session"}}
FOREIGN = {"iam": {"accountId": "999999999999", "userArn": "arn:aws:sts::999999999999:assumed-role/collector/x"}}
TEAM = {"SPANLAKE_TENANT_CLAIM": "team"}
MAPPED = {"SPANLAKE_TENANT_CLAIM": "client_id", "SPANLAKE_TENANT_MAP": "4n4b=shop, collector=shop, 4n4b=bank"}
DEFAULT = {"SPANLAKE_DEFAULT_TENANT": "all"}
TRUSTED = {"SPANLAKE_TRUST_TENANT_HEADER": "true"}


def asked(event: dict[str, Any]) -> dict[str, Any]:
    """The scope of a request as Mangum makes it."""
    return {"method": "GET", "path": "/api/search", "aws.event": event}


def seen(authorizer: Any, header: str | None, environment: dict[str, str]) -> tuple[str, str] | None:
    """The tenant and the roles of a request, None when it is refused."""
    context = {"accountId": ACCOUNT} | ({} if authorizer is None else {"authorizer": authorizer})
    try:
        access = gateway_access(environment)(asked({"requestContext": context}))
        return access.one([] if header is None else [header]), " ".join(sorted(access.roles))
    except (AccessError, InvalidTenant):
        return None


USUAL = "delete read write"


@pytest.mark.parametrize(
    ("authorizer", "header", "environment", "found"),
    [
        (None, None, {}, None),
        (None, "bank", {}, None),
        ({}, "bank", {}, None),
        (None, "bank", TRUSTED, ("bank", "admin delete read write")),
        (LAMBDA, "bank", TRUSTED, None),
        (LAMBDA, None, {}, ("shop", USUAL)),
        (LAMBDA, "shop", {}, ("shop", USUAL)),
        (LAMBDA, "bank", {}, None),
        (LAMBDA, "shop,bank", {}, None),
        (LAMBDA, "", {}, ("shop", USUAL)),  # an empty header names none
        (TWO, None, {}, ("shop", "read")),
        (TWO, "bank", {}, ("bank", "read")),
        (ANY, "anybody", {}, ("anybody", "admin read")),
        (JWT, None, TEAM, ("shop", "read write")),
        (JWT, None, TEAM | {"SPANLAKE_JWT_ROLES": "none"}, ("shop", "")),
        (JWT, "bank", TEAM, None),
        (JWT, None, {}, None),
        (JWT, None, DEFAULT, ("all", "read write")),
        (COGNITO, None, MAPPED, ("shop", "delete write")),
        (COGNITO, "bank", MAPPED, ("bank", "delete write")),
        (COGNITO, "other", MAPPED, None),
        ({"jwt": {"claims": {"client_id": "other"}}}, None, MAPPED, None),
        ({"jwt": {"claims": {"team": "[a b]"}}}, "b", TEAM, ("b", "read write")),
        ({"jwt": {"claims": {"team": "*"}}}, "bank", TEAM, None),
        ({"jwt": {"claims": None}}, "shop", {}, None),
        ({"lambda": {}}, "shop", {}, None),
        ({"lambda": None}, "shop", {}, None),
        ({"iam": {"accessKey": "x"}}, "shop", {}, None),
        (IAM, None, {}, None),
        (IAM, None, MAPPED, ("shop", USUAL)),
        (IAM, "bank", MAPPED, None),
        (IAM, None, DEFAULT, ("all", USUAL)),
        (FOREIGN, None, MAPPED, None),
    ],
)
def test_access_is_that_of_the_authorizer(
    authorizer: Any, header: str | None, environment: dict[str, str], found: tuple[str, str] | None
) -> None:
    assert seen(authorizer, header, environment) == found


def test_rules_of_the_stage_count_before_those_of_the_environment() -> None:
    event = {"requestContext": {"authorizer": JWT}, "stageVariables": {"SPANLAKE_JWT_ROLES": "read"}}
    access = gateway_access(TEAM | {"SPANLAKE_JWT_ROLES": "write"})(asked(event))
    assert access.roles == {Role.READ}


def test_roles_are_those_that_there_are() -> None:
    assert {role.value for role in Role} == {"write", "read", "delete", "admin"}
