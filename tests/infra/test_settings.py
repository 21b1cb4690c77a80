"""The templates set the variables that functions take, no others, and describe them as the declarations do."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from spanlake.settings.model import Config, EdgeConfig, FunctionSettings
from spanlake.settings.setting import OfMemory, Program, Setting, settings_of
from tests.infra.template import EDGE, ROOT, Template

_CDK = ROOT / "infra" / "cdk" / "spanlake_cdk"
_AREAS: tuple[type[Any], ...] = (Config, FunctionSettings)
_FUNCTIONS = {
    "Authorize": Program.AUTHORIZE,
    "Ingest": Program.INGEST,
    "Query": Program.QUERY,
    "Compact": Program.COMPACT,
    "Expire": Program.EXPIRE,
}
_BY_API_GATEWAY = {"SPANLAKE_CORS_ORIGINS", "SPANLAKE_TRUST_TENANT_HEADER"}
"""Variables of what the API does itself; they are for functions with a URL of their own, or behind another proxy."""
_BY_STAGE = {"SPANLAKE_TENANT_MAP", "SPANLAKE_DEFAULT_TENANT", "SPANLAKE_JWT_ROLES"}
"""Variables of the API's stage, which are in every event."""
_BY_POWERTOOLS = {
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_TRACE_DISABLED",
}


def taken_by(program: Program) -> list[Setting]:
    """The settings of a function."""
    return [declared for area in _AREAS for declared in settings_of(area, program)]


WITH_PARAMETERS = [
    (name, declared) for name, program in _FUNCTIONS.items() for declared in taken_by(program) if declared.parameter
]


def variables(template: Template, function: str) -> Mapping[str, Any]:
    """The variables that the template sets for a function, those for all functions included."""
    own = template.resources[f"{function}Function"]["Properties"]["Environment"]["Variables"]
    return {**template.content["Globals"]["Function"]["Environment"]["Variables"], **own}


@pytest.mark.parametrize("function", _FUNCTIONS)
def test_template_sets_the_variables_that_a_function_takes(template: Template, function: str) -> None:
    taken = {declared.variable for declared in taken_by(_FUNCTIONS[function])}
    assert set(variables(template, function)) - _BY_POWERTOOLS == taken - _BY_API_GATEWAY - _BY_STAGE


@pytest.mark.parametrize(("function", "declared"), WITH_PARAMETERS)
def test_a_parameter_goes_to_its_variable(template: Template, function: str, declared: Setting) -> None:
    value = variables(template, function)[declared.variable]
    assert value == {"Ref": declared.parameter} or f"${{{declared.parameter}}}" in value["Fn::Sub"]


@pytest.mark.parametrize(("function", "declared"), WITH_PARAMETERS)
def test_the_default_of_a_parameter_is_the_functions(template: Template, function: str, declared: Setting) -> None:
    usual = template.content["Parameters"][declared.parameter]["Default"]
    if usual == "":
        return
    value = variables(template, function)[declared.variable]
    default = declared.default_of(_FUNCTIONS[function])
    assert not isinstance(default, OfMemory)
    text = usual if "Ref" in value else value["Fn::Sub"].replace(f"${{{declared.parameter}}}", usual)
    assert declared.kind.parse(text) == declared.kind.parse(default)


@pytest.mark.parametrize(("function", "declared"), WITH_PARAMETERS)
def test_templates_describe_a_parameter_as_the_setting(template: Template, function: str, declared: Setting) -> None:
    if "Ref" not in variables(template, function)[declared.variable]:  # in another unit
        return
    text = declared.help.rstrip(".")
    assert template.content["Parameters"][declared.parameter]["Description"].startswith(text)
    assert descriptions()[declared.parameter.lower()].startswith(text)


def test_cdk_sets_the_variables_that_the_template_sets(template: Template) -> None:
    of_template = {name for function in _FUNCTIONS for name in variables(template, function)}
    assert set(named_in_the_cdk()) - _BY_STAGE == {name for name in of_template if name.startswith("SPANLAKE_")}


def test_the_edge_is_started_with_its_options(template: Template) -> None:
    options = {declared.option for declared in settings_of(EdgeConfig, Program.EDGE)}
    given = set(re.findall(r"--[a-z-]+", str(Template.load(EDGE).content)))
    assert given
    assert given <= options


def named_in_the_cdk() -> Iterator[str]:
    """The variables of settings that the CDK names."""
    for path in _CDK.rglob("*.py"):
        yield from re.findall(r"\"(SPANLAKE_[A-Z_]+)\"", path.read_text())


def descriptions() -> Mapping[str, str]:
    """The texts below the fields of the CDK's settings, by the fields' names without underscores."""
    (settings,) = [
        node
        for node in ast.parse((_CDK / "settings.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    found = {}
    for field, text in zip(settings.body, settings.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            found[field.target.id.replace("_", "")] = str(text.value.value)
    return found
