"""A template as CloudFormation evaluates it: parameters, conditions and references filled in, stacks inside it opened.

What a reference gives is made up from the logical id, except where it follows from the properties; what
CloudFormation's documentation says under "Return values" of a type.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

_ACCOUNT, _REGION, _PARTITION = "123456789012", "us-east-1", "aws"
_ABSENT = object()
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
_STACK = "AWS::CloudFormation::Stack"
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy")


class Source(Protocol):
    """Knowledge of a template besides its content."""

    def name(self, logical_id: str, resource: Mapping[str, Any]) -> str:
        """Returns the name of a resource that both templates share."""

    def inner(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """The template of a stack inside."""


@dataclass(frozen=True)
class Resource:
    """A resource as it is created."""

    type: str
    properties: Mapping[str, Any]
    policies: Mapping[str, Any]
    waits_for: frozenset[str]
    """Names of those that it says it waits for, apart from those it refers to."""


@dataclass(frozen=True)
class Evaluated:
    """A template and what is chosen."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    source: Source
    stack: str
    prefix: str = ""  # of names

    def resources(self) -> Iterator[tuple[str, Resource]]:
        """All that are created, with their names, those of stacks inside too."""
        for logical_id in self._created:
            resource = self.template["Resources"][logical_id]
            if resource["Type"] == _STACK:
                yield from self._inner(logical_id).resources()
            else:
                yield self._name(logical_id), self._resource(resource)

    def outputs(self) -> dict[str, Any]:
        """Values by name."""
        outputs = self.template.get("Outputs", {})
        return {name: self.value(output["Value"]) for name, output in outputs.items() if self._is_made(output)}

    def value(self, value: Any) -> Any:
        """A value with all that refers to others replaced."""
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not _ABSENT]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1 and (function := _FUNCTIONS.get(next(iter(value)))):
            return function(self, next(iter(value.values())))
        evaluated = {key: self.value(inner) for key, inner in value.items()}
        return {key: inner for key, inner in evaluated.items() if inner is not _ABSENT}

    @cached_property
    def _created(self) -> list[str]:
        return [name for name, resource in self.template["Resources"].items() if self._is_made(resource)]

    def _is_made(self, described: Mapping[str, Any]) -> bool:
        return "Condition" not in described or self.condition(described["Condition"])

    def _resource(self, resource: Mapping[str, Any]) -> Resource:
        waits_for = resource.get("DependsOn", [])
        return Resource(
            resource["Type"],
            self.value(resource.get("Properties", {})),
            {name: self.value(resource.get(name, "Delete")) for name in _POLICIES},
            frozenset(map(self._name, [waits_for] if isinstance(waits_for, str) else waits_for)),
        )

    def _name(self, logical_id: str) -> str:
        return self.prefix + self.source.name(logical_id, self.template["Resources"][logical_id])

    def _inner(self, logical_id: str) -> "Evaluated":
        resource = self.template["Resources"][logical_id]
        parameters = self.value(resource["Properties"].get("Parameters", {}))
        return Evaluated(self.source.inner(resource), parameters, self.source, self.stack, f"{self._name(logical_id)}/")

    def condition(self, name: str) -> bool:
        """Returns the value of a condition."""
        return bool(self.value(self.template["Conditions"][name]))

    def reference(self, name: str) -> Any:
        """Returns the value of Ref."""
        if name.startswith("AWS::"):
            return self._pseudo(name)
        if (parameter := self.template.get("Parameters", {}).get(name)) is not None:
            return _typed(parameter, self.parameters.get(name, parameter.get("Default")))
        properties = self._properties(name)
        shape = _REFERENCES.get(self.template["Resources"][name]["Type"])
        return shape(properties) if shape else f"<{self._name(name)}>"

    def attribute(self, path: str) -> Any:
        """Returns the value of Fn::GetAtt."""
        name, _, attribute = path.partition(".")
        resource = self.template["Resources"][name]
        if resource["Type"] == _STACK:
            return self._inner(name).outputs()[attribute.removeprefix("Outputs.")]
        shape = _ATTRIBUTES.get((resource["Type"], attribute))
        return shape(self.reference(name)) if shape else f"<{self._name(name)}.{attribute}>"

    def _properties(self, name: str) -> Mapping[str, Any]:
        """The properties that references follow from."""
        properties = self.template["Resources"][name].get("Properties", {})
        return {key: self.value(properties[key]) for key in _NAMING if key in properties}

    def _pseudo(self, name: str) -> Any:
        return {
            "AWS::AccountId": _ACCOUNT,
            "AWS::NoValue": _ABSENT,
            "AWS::Partition": _PARTITION,
            "AWS::Region": _REGION,
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }[name]

    def substitute(self, argument: Any) -> str:
        """Returns the value of Fn::Sub."""
        text, given = (argument, {}) if isinstance(argument, str) else argument

        def found(match: re.Match[str]) -> str:
            name = match[1]
            if name in given:
                return str(self.value(given[name]))
            return str(self.attribute(name) if "." in name else self.reference(name))

        return _PLACEHOLDER.sub(found, text).replace("${!", "${")


def _typed(parameter: Mapping[str, Any], value: Any) -> Any:
    if parameter["Type"] == "CommaDelimitedList":
        return str(value).split(",")
    return value


def _arn(service: str, rest: str) -> str:
    return f"arn:{_PARTITION}:{service}:{_REGION}:{_ACCOUNT}:{rest}"


_NAMING = ("DatabaseInput", "FunctionName", "LayerName", "LogGroupName", "Name", "TableInput")
_REFERENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "AWS::Athena::WorkGroup": lambda properties: properties["Name"],
    "AWS::Glue::Database": lambda properties: properties["DatabaseInput"]["Name"],
    "AWS::Glue::Table": lambda properties: properties["TableInput"]["Name"],
    "AWS::Lambda::Alias": lambda properties: _arn(
        "lambda", f"function:{properties['FunctionName']}:{properties['Name']}"
    ),
    "AWS::Lambda::Function": lambda properties: properties["FunctionName"],
    "AWS::Lambda::LayerVersion": lambda properties: _arn("lambda", f"layer:{properties['LayerName']}:1"),
    "AWS::Logs::LogGroup": lambda properties: properties["LogGroupName"],
}
_ATTRIBUTES: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("AWS::DynamoDB::Table", "Arn"): lambda table: _arn("dynamodb", f"table/{table}"),
    ("AWS::EC2::SecurityGroup", "GroupId"): lambda group: group,
    ("AWS::Lambda::Function", "Arn"): lambda function: _arn("lambda", f"function:{function}"),
    ("AWS::Logs::LogGroup", "Arn"): lambda group: _arn("logs", f"log-group:{group}:*"),
    ("AWS::S3::Bucket", "Arn"): lambda bucket: f"arn:{_PARTITION}:s3:::{bucket}",
}


def _attribute(this: Evaluated, argument: Any) -> Any:
    return this.attribute(argument if isinstance(argument, str) else ".".join(argument))


def _equals(this: Evaluated, argument: Any) -> bool:
    first, second = map(this.value, argument)
    return str(first) == str(second)


def _if(this: Evaluated, argument: Any) -> Any:
    name, then, otherwise = argument
    return this.value(then if this.condition(name) else otherwise)


def _find(this: Evaluated, argument: Any) -> Any:
    mapping, first, second = map(this.value, argument)
    return this.template["Mappings"][mapping][str(first)][second]


def _join(this: Evaluated, argument: Any) -> str:
    separator, parts = argument
    return str(separator).join(map(str, this.value(parts)))


def _select(this: Evaluated, argument: Any) -> Any:
    index, parts = argument
    return this.value(parts)[int(index)]


def _split(this: Evaluated, argument: Any) -> list[str]:
    separator, text = argument
    return str(this.value(text)).split(separator)


_FUNCTIONS: Mapping[str, Callable[[Evaluated, Any], Any]] = {
    "Condition": lambda this, name: this.condition(name),
    "Fn::And": lambda this, parts: all(map(this.value, parts)),
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find,
    "Fn::GetAZs": lambda *_: [f"{_REGION}a", f"{_REGION}b"],
    "Fn::GetAtt": _attribute,
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::Not": lambda this, parts: not this.value(parts[0]),
    "Fn::Or": lambda this, parts: any(map(this.value, parts)),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": lambda this, argument: this.substitute(argument),
    "Ref": lambda this, name: this.reference(name),
}
