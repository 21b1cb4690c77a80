"""The template as it stands, with CloudFormation's short forms spelled out, and what it says of functions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

from tests.aws.local.event_source import EventSource
from tests.aws.local.routes import Route

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
EDGE = ROOT / "infra" / "edge" / "template.yaml"
INNER = tuple(sorted((ROOT / "infra").glob("*/template.yaml")))
"""Templates of stacks inside the stack."""


@dataclass(frozen=True)
class Template:
    """A template of SAM or CloudFormation."""

    content: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path = TEMPLATE) -> "Template":
        """Read it."""
        return cls(json.loads(json.dumps(load(str(path)))))

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """By logical id."""
        resources: Mapping[str, Mapping[str, Any]] = self.content["Resources"]
        return resources

    def properties(self, type_: str) -> dict[str, Mapping[str, Any]]:
        """Returns the properties of all resources of a type, by logical id."""
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == type_}

    def functions(self) -> dict[str, str]:
        """The folders of functions by their logical ids."""
        found = self.properties("AWS::Serverless::Function")
        return {name: Path(properties["CodeUri"]).name for name, properties in found.items()}

    def routes(self) -> tuple[Route, ...]:
        """Returns the routes of the API, with the folder of the function behind each."""
        return tuple(map(self._route, self.properties("AWS::ApiGatewayV2::Route").values()))

    def _route(self, route: Mapping[str, Any]) -> Route:
        integration = route["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
        alias = self.resources[integration]["Properties"]["IntegrationUri"]["Ref"]
        authorized = route.get("AuthorizationType", "NONE") != "NONE"
        return Route(route["RouteKey"], self.functions()[alias.removesuffix(".Alias")], authorized)

    def sources(self) -> dict[str, EventSource]:
        """Returns the event sources of the index table's stream by the folders of their functions."""
        return {self.functions()[name]: _source(event) for name, event in self._events("DynamoDB")}

    def _events(self, type_: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, function in self.properties("AWS::Serverless::Function").items():
            for event in function.get("Events", {}).values():
                if event["Type"] == type_:
                    yield name, event["Properties"]


def _source(event: Mapping[str, Any]) -> EventSource:
    (one,) = event["FilterCriteria"]["Filters"]
    return EventSource(
        pattern=json.loads(one["Pattern"]),
        batch_size=event["BatchSize"],
        window=event["MaximumBatchingWindowInSeconds"],
        retries=event["MaximumRetryAttempts"],
    )
