"""Versions of a stack's functions: shows them, takes an alias back to the one before, removes all but the last two.

    python scripts/aws/versions.py show STACK
    python scripts/aws/versions.py back STACK FUNCTION
    python scripts/aws/versions.py prune STACK

Needs boto3, and credentials in the environment. Layers that no version uses any more go with ``prune``.
"""

import sys
from collections.abc import Iterator
from typing import Any

import boto3

ALIAS = "live"
FUNCTIONS = ("authorize", "ingest", "query", "compact", "expire")
_LAYERS = ("common", "query")
_KEPT = 2


class Versions:
    """The versions of all functions of a stack."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._client: Any = boto3.client("lambda")

    def of(self, function: str) -> list[int]:
        """Numbers of a function's versions, in order; none of a function that is not there."""
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self._name(function))
        try:
            found = [version["Version"] for page in pages for version in page["Versions"]]
        except self._client.exceptions.ResourceNotFoundException:
            return []
        return sorted(int(number) for number in found if number.isdecimal())

    def live(self, function: str) -> int:
        """The version that is live."""
        return int(self._client.get_alias(FunctionName=self._name(function), Name=ALIAS)["FunctionVersion"])

    def back(self, function: str) -> int:
        """Makes the version before the live one live, and returns it; raises SystemExit where there is none."""
        earlier = [number for number in self.of(function) if number < self.live(function)]
        if not earlier:
            raise SystemExit(f"{self._name(function)} has no version before {self.live(function)}")
        self._client.update_alias(FunctionName=self._name(function), Name=ALIAS, FunctionVersion=str(earlier[-1]))
        return earlier[-1]

    def prune(self) -> Iterator[str]:
        """Removes versions and layers, but for the last two of each and what is live; yields their names."""
        for function in FUNCTIONS:
            numbers = self.of(function)
            kept = {*numbers[-_KEPT:], *([self.live(function)] if numbers else [])}
            for number in numbers:
                if number not in kept:
                    self._client.delete_function(FunctionName=self._name(function), Qualifier=str(number))
                    yield f"{self._name(function)}:{number}"
        used = set(self._layers_in_use())
        for layer in _LAYERS:
            yield from self._prune_layer(f"{self._stack}-{layer}", used)

    def _prune_layer(self, name: str, used: set[str]) -> Iterator[str]:
        pages = self._client.get_paginator("list_layer_versions").paginate(LayerName=name)
        found = [version for page in pages for version in page["LayerVersions"]]
        newest = sorted(version["Version"] for version in found)[-_KEPT:]
        for version in found:
            if version["LayerVersionArn"] not in used and version["Version"] not in newest:
                self._client.delete_layer_version(LayerName=name, VersionNumber=version["Version"])
                yield version["LayerVersionArn"]

    def _layers_in_use(self) -> Iterator[str]:
        for function in FUNCTIONS:
            for number in self.of(function):
                found = self._client.get_function_configuration(
                    FunctionName=self._name(function), Qualifier=str(number)
                )
                yield from (layer["Arn"] for layer in found.get("Layers", []))

    def _name(self, function: str) -> str:
        return f"{self._stack}-{function}"


def main(arguments: list[str]) -> None:
    """Does what the first argument says; raises SystemExit."""
    match arguments:
        case ["show", stack]:
            versions = Versions(stack)
            for function in FUNCTIONS:
                if numbers := versions.of(function):
                    print(f"{stack}-{function}: live {versions.live(function)} of {', '.join(map(str, numbers))}")
        case ["back", stack, function] if function in FUNCTIONS:
            print(f"{stack}-{function}: live {Versions(stack).back(function)}")
        case ["prune", stack]:
            for name in Versions(stack).prune():
                print(f"removed {name}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
