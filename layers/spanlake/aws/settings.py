"""Settings of functions, read from their variables."""

from collections.abc import Mapping

from spanlake.settings.access import AccessSettings, ClaimRules
from spanlake.settings.model import Config, FunctionSettings
from spanlake.settings.setting import Program, from_environment
from spanlake.settings.units import InvalidSetting

_MEMORY_MIB = "1024"  # of a function that does not say


def settings(environment: Mapping[str, str]) -> Config:
    """Return the settings of a function; raises InvalidSetting."""
    return from_environment(Config, environment, Program.FUNCTIONS, _memory_mib(environment))


def function_settings(environment: Mapping[str, str]) -> FunctionSettings:
    """Return the settings that functions alone have; raises InvalidSetting."""
    return from_environment(FunctionSettings, environment, Program.FUNCTIONS)


def claim_rules(environment: Mapping[str, str]) -> ClaimRules:
    """Return the rules by which claims name tenants and roles; raises InvalidSetting."""
    return from_environment(ClaimRules, environment, Program.FUNCTIONS)


def trusts_tenant_header(environment: Mapping[str, str]) -> bool:
    """True where requests without an authorizer's claims are served; raises InvalidSetting."""
    return function_settings(environment).trust_tenant_header


def base_path(environment: Mapping[str, str]) -> str:
    """Return the path below which functions are reached; raises InvalidSetting."""
    return function_settings(environment).base_path


def tokens_secret(environment: Mapping[str, str]) -> str:
    """Return the ARN of the secret that holds the tokens; raises InvalidSetting."""
    return from_environment(AccessSettings, environment, Program.AUTHORIZE).tokens_secret


def _memory_mib(environment: Mapping[str, str]) -> int:
    text = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or _MEMORY_MIB
    if not text.isdecimal():
        raise InvalidSetting(f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE: {text!r} is not a number of MiB")
    return int(text)
