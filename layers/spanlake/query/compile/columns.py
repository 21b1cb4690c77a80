"""The attributes of the spans that a query runs over: those with a column, and those in rest lists."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.traceql import ast


@dataclass(frozen=True)
class AttributeSchema:
    """The attributes of a set of blocks.

    ``columns`` lists the typed columns of each (scope, key). ``rest`` holds the (scope, key) pairs whose value in some
    span is OTLP JSON in the scope's rest list. A field in neither is nil in every span. ``nested`` holds the (scope,
    key) pairs of events and links whose value in some span is a list, a map or bytes.
    """

    columns: dict[tuple[Scope, str], tuple[AttributeColumn, ...]] = field(default_factory=dict)
    rest: frozenset[tuple[Scope, str]] = frozenset()
    nested: frozenset[tuple[ast.AttributeScope, str]] = frozenset()
    others: frozenset[str] = frozenset()

    def in_rest(self, scope: Scope, key: str) -> bool:
        """Return True where a key of a scope may be in rest lists."""
        return (scope, key) in self.rest or scope.value in self.others

    def is_nested(self, scope: ast.AttributeScope, key: str) -> bool:
        """Return True where a key of events or links may have a value that is a list, a map or bytes."""
        return (scope, key) in self.nested or scope.value in self.others

    @cached_property
    def types(self) -> dict[str, pa.DataType]:
        """The types of the columns by their names."""
        return {column.name: column.arrow_type for columns in self.columns.values() for column in columns}

    @classmethod
    def of(
        cls,
        columns: Iterable[AttributeColumn],
        rest: Iterable[tuple[Scope, str]] = (),
        nested: Iterable[tuple[ast.AttributeScope, str]] = (),
        others: Iterable[str] = (),
    ) -> "AttributeSchema":
        """Collect columns and keys, in any order."""
        grouped: defaultdict[tuple[Scope, str], list[AttributeColumn]] = defaultdict(list)
        for column in sorted(columns):
            grouped[column.scope, column.key].append(column)
        listed = {key: tuple(found) for key, found in grouped.items()}
        return cls(listed, frozenset(rest), frozenset(nested), frozenset(others))
