"""Finds the parameters that values in a template depend on."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.template import Template

_VARIABLE = re.compile(r"\$\{([\w:]+)[.\w]*\}")
_NAMED = {"AWS::Glue::Database": "DatabaseInput", "AWS::Glue::Table": "TableInput"}
"""Where the names of resources stand that parameters give names to."""


def parameters_of(template: Template, value: Any) -> set[str]:
    """The parameters that decide what a value is, those of its conditions included."""
    found = set[str]()
    for name in _references(value):
        if name in template.content["Parameters"]:
            found.add(name)
        elif name in template.content["Conditions"]:
            found |= parameters_of(template, template.content["Conditions"][name])
        elif name in template.resources and template.resources[name]["Type"] in _NAMED:
            resource = template.resources[name]
            found |= parameters_of(template, resource["Properties"][_NAMED[resource["Type"]]]["Name"])
    return found


def _references(value: Any) -> Iterator[str]:
    """The names of parameters, resources and conditions."""
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        match key:
            case "Ref" | "Condition":
                yield inner
            case "Fn::If":
                yield inner[0]
            case "Fn::GetAtt":
                yield inner[0]
            case "Fn::Sub":
                yield from _VARIABLE.findall(inner if isinstance(inner, str) else inner[0])
        yield from _references(inner)
