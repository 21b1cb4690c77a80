"""What a query may assume of the spans it runs over: which attributes have a column, and which lie in rest lists."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.traceql.tempo import DEDICATED


@dataclass(frozen=True)
class Known:
    """The attributes of some blocks.

    ``columns`` lists the typed columns of each (scope, key). ``rest`` holds the (scope, key) pairs whose value, in
    some span, travels as OTLP JSON in the scope's rest list. A field that is in neither is nil in every span.
    """

    columns: dict[tuple[Scope, str], tuple[AttributeColumn, ...]] = field(default_factory=dict)
    rest: frozenset[tuple[Scope, str]] = frozenset()

    @classmethod
    def of(cls, columns: Iterable[AttributeColumn], rest: Iterable[tuple[Scope, str]] = ()) -> "Known":
        """Collect columns and rest keys, in any order."""
        grouped: defaultdict[tuple[Scope, str], list[AttributeColumn]] = defaultdict(list)
        for column in sorted(columns):
            grouped[column.scope, column.key].append(column)
        return cls({key: tuple(found) for key, found in grouped.items()}, frozenset(rest))

    def of_dedicated(self) -> "Known":
        """The same, but of attributes that Tempo keeps in dedicated columns only the columns of their types."""
        return Known({key: _of_dedicated(found) for key, found in self.columns.items()}, self.rest)


def _of_dedicated(found: tuple[AttributeColumn, ...]) -> tuple[AttributeColumn, ...]:
    type_ = DEDICATED.get((found[0].scope, found[0].key))
    return found if type_ is None else tuple(column for column in found if column.type is type_)
