"""Nodes of spanset expressions, scalars and pipelines."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TypeAlias

from spanlake.traceql.ast.fields import BinaryOperator, Field, FieldExpression, Node, Static, position_field

# Spansets


class Relation(Enum):
    """Relation between two spans of a trace: a span of the right side is a … of a span of the left side."""

    CHILD = ">"
    PARENT = "<"
    DESCENDANT = ">>"
    ANCESTOR = "<<"
    SIBLING = "~"


class SpansetOperator(StrEnum):
    """Operators between spansets."""

    AND = "&&"
    OR = "||"
    CHILD = ">"
    PARENT = "<"
    DESCENDANT = ">>"
    ANCESTOR = "<<"
    SIBLING = "~"
    NOT_CHILD = "!>"
    NOT_PARENT = "!<"
    NOT_DESCENDANT = "!>>"
    NOT_ANCESTOR = "!<<"
    NOT_SIBLING = "!~"
    UNION_CHILD = "&>"
    UNION_PARENT = "&<"
    UNION_DESCENDANT = "&>>"
    UNION_ANCESTOR = "&<<"
    UNION_SIBLING = "&~"

    @property
    def relation(self) -> Relation | None:
        """The relation of a structural operator; None for ``&&`` and ``||``."""
        return None if self.value in ("&&", "||") else Relation(self.value.lstrip("!&"))

    @property
    def is_negated(self) -> bool:
        """True where the result is the right side's spans that are not in the relation."""
        return self.value.startswith("!")

    @property
    def is_union(self) -> bool:
        """True where the result holds the matching spans of both sides, not of the right side only."""
        return self.relation is not None and self.value.startswith("&")


@dataclass(frozen=True, slots=True)
class SpansetFilter(Node):
    """``{ condition }``; an empty filter's condition is the literal true."""

    condition: FieldExpression
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class SpansetOperation(Node):
    """``left op right``; ``at`` is the operator's offset. A side may be a pipeline in parentheses."""

    op: SpansetOperator
    left: "SpansetExpression"
    right: "SpansetExpression"
    at: int = position_field()


# Scalars: one number for each spanset


class AggregateFunction(StrEnum):
    """Functions of a spanset that give one number."""

    COUNT = "count"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """``count()``, ``max(duration)``: ``operand`` is None for count only."""

    function: AggregateFunction
    operand: FieldExpression | None = None
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class ScalarOperation(Node):
    """Arithmetic between scalars; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "ScalarExpression"
    right: "ScalarExpression"
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class ScalarPipeline(Node):
    """``({ … } | … | count())``: a pipeline in parentheses whose last stage is a number."""

    pipeline: "Pipeline"
    scalar: "ScalarExpression"
    at: int = position_field()


ScalarExpression: TypeAlias = Static | Aggregate | ScalarOperation | ScalarPipeline


# Pipelines


@dataclass(frozen=True, slots=True)
class ScalarFilter(Node):
    """``scalar op scalar`` with a comparison operator: keeps the spansets for which it holds."""

    op: BinaryOperator
    left: ScalarExpression
    right: ScalarExpression
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class GroupBy(Node):
    """``by(expression)``: splits each spanset by the value of the expression."""

    expression: FieldExpression
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    """``coalesce()``: undoes grouping."""

    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Select(Node):
    """``select(a, b)``: fields to return with every span."""

    fields: tuple[Field, ...]
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Pipeline(Node):
    """Stages in order. If the first is not a spanset expression, it is applied to all spans."""

    stages: tuple["Stage", ...]
    at: int = position_field()


SpansetExpression: TypeAlias = SpansetFilter | SpansetOperation | Pipeline
Stage: TypeAlias = SpansetExpression | ScalarFilter | GroupBy | Coalesce | Select
