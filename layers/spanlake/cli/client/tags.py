"""The answers to questions for names and values of attributes."""

from dataclasses import dataclass

from spanlake.cli.client import json


@dataclass(frozen=True, slots=True)
class TagScope:
    """A scope with the names of its attributes."""

    name: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagValue:
    """A value as text, with the name of its type: string, int, float, bool, keyword."""

    type: str
    value: str


def parse_tags(given: json.Object) -> tuple[TagScope, ...]:
    """Read tempopb.SearchTagsV2Response in JSON; raises MalformedAnswer."""
    scopes = json.objects(given, "scopes")
    return tuple(TagScope(json.text(scope, "name"), json.texts(scope, "tags")) for scope in scopes)


def parse_tag_values(given: json.Object) -> tuple[TagValue, ...]:
    """Read tempopb.SearchTagValuesV2Response in JSON; raises MalformedAnswer."""
    values = json.objects(given, "tagValues")
    return tuple(TagValue(json.text(value, "type"), json.text(value, "value")) for value in values)
