"""Gives all values under one name of a search answer one type.

Grafana's table of results gives a column the type of the last value under its name: a list, or text beside numbers,
crashes its backend.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spanlake.query.search_results import FoundTrace


@dataclass(frozen=True)
class Columns:
    """The names under which an answer has values of several types, all of which are shown as text."""

    mixed: frozenset[str]

    @classmethod
    def of(cls, found: Iterable[FoundTrace]) -> "Columns":
        """The names of an answer."""
        kinds: dict[str, set[str]] = {}
        for attributes in _attributes(found):
            for name, value in attributes.items():
                kinds.setdefault(name, set()).add(_kind(value))
        return cls(frozenset(name for name, found in kinds.items() if len(found) > 1))

    def shown(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of a span or a span set. Lists and maps are JSON text, and so are values of mixed names."""
        return {name: _text(value) if self._is_text(name, value) else value for name, value in attributes.items()}

    def _is_text(self, name: str, value: object) -> bool:
        return isinstance(value, list | dict) or (name in self.mixed and not isinstance(value, str))


def _attributes(found: Iterable[FoundTrace]) -> Iterator[Mapping[str, Any]]:
    for trace in found:
        for span_set in trace.sets:
            yield span_set.attributes
            for span in span_set.spans:
                yield span.attributes


def _kind(value: object) -> str:
    """Integers and floats are of one kind, and so are texts, lists and maps, which are shown as text."""
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "text"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
