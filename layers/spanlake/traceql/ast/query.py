"""A query and its hints."""

from dataclasses import dataclass, field

from spanlake.traceql.ast.fields import Node, Static, Type, position_field
from spanlake.traceql.ast.metrics import MetricsExpression
from spanlake.traceql.ast.spansets import Pipeline

# Queries


@dataclass(frozen=True, slots=True)
class Hint(Node):
    """An entry of ``with (name=value, …)``."""

    name: str
    value: Static
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A whole query; ``text`` is its source, for error messages."""

    body: Pipeline | MetricsExpression
    hints: tuple[Hint, ...] = ()
    text: str = field(default="", compare=False, repr=False)

    @property
    def is_metrics(self) -> bool:
        """True where the query returns time series, not spans."""
        return not isinstance(self.body, Pipeline)

    def hint(self, name: str, *types: Type) -> Static | None:
        """Return the value of a hint, of the first of these types that it has.

        Values of other types are ignored, as in Tempo.
        """
        given = [hint.value for type_ in types for hint in self.hints if (hint.name, hint.value.type) == (name, type_)]
        return given[0] if given else None
