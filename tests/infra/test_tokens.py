"""Tokens survive what happens to their stack: updates, another authorizer, and its end."""

from collections.abc import Mapping
from typing import Any

from tests.infra.sources import of_sam
from tests.infra.template import Template

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tokens-AbCdEf"  # a name and not a secret
_ISSUER = {"JwtIssuer": "https://issuer.example", "JwtAudience": "spanlake"}


def test_update_has_no_value_that_it_could_put_in_the_place_of_tokens(template: Template) -> None:
    secret = template.resources["Tokens"]["Properties"]
    assert not {"SecretString", "GenerateSecretString"} & secret.keys()
    assert "Name" not in secret, "another name would be another secret"


def test_secret_stays_without_its_stack_and_with_another_authorizer(packaged: Mapping[str, Any]) -> None:
    policies = dict(of_sam(packaged, {}).resources())["Tokens"].policies
    assert (policies["DeletionPolicy"], policies["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert "Tokens" not in dict(of_sam(packaged, _ISSUER).resources())


def test_secret_that_is_there_is_gone_on_with(packaged: Mapping[str, Any]) -> None:
    evaluated = of_sam(packaged, {"ExistingTokensArn": SECRET})
    resources = dict(evaluated.resources())
    assert "Tokens" not in resources
    variables = resources["AuthorizeFunction"].properties["Environment"]["Variables"]
    assert variables["SPANLAKE_TOKENS_SECRET"] == evaluated.outputs()["TokensSecretArn"] == SECRET
    (policy,) = resources["Roles/AuthorizeRole"].properties["Policies"]
    assert SECRET in [one["Resource"] for one in policy["PolicyDocument"]["Statement"]]
