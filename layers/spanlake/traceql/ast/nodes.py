"""The syntax tree of a TraceQL query: small frozen nodes that compare by meaning, not by position.

``at`` is the offset, in characters, of a node's text; errors point there. It is not part of equality. A query is either
a search (``Query.body`` is a ``Pipeline``) or metrics (any ``MetricsExpression``).
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import TypeAlias


def _place() -> int:
    return field(default=0, compare=False, repr=False, kw_only=True)


class Node:
    """Base of all nodes of a tree."""

    __slots__ = ()


# Values


class Type(StrEnum):
    """The type of a literal. ``nil`` is not a type: comparing with it is ``Exists``."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    DURATION = "duration"
    STATUS = "status"
    KIND = "kind"


class Status(IntEnum):
    """Status codes by their OTLP numbers; TraceQL writes the names in lower case."""

    UNSET = 0
    OK = 1
    ERROR = 2


class Kind(IntEnum):
    """Span kinds by their OTLP numbers; TraceQL writes the names in lower case."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Static(Node):
    """A literal. Durations are whole nanoseconds, ints fit 64 bits, floats are finite."""

    type: Type
    value: int | float | str | bool | Status | Kind
    at: int = _place()


# Fields of a span


class AttributeScope(StrEnum):
    """Scope of an attribute; ``NONE`` is the span first, then its resource."""

    NONE = ""
    RESOURCE = "resource"
    SPAN = "span"
    EVENT = "event"
    LINK = "link"
    INSTRUMENTATION = "instrumentation"


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """``span.http.method``, ``.foo``; of the parent span if ``parent`` (``parent.resource.service.name``)."""

    scope: AttributeScope
    key: str
    parent: bool = False
    at: int = _place()


class Intrinsic(StrEnum):
    """Intrinsic field of every span. The value is its name in Tempo's results; several spellings can mean one."""

    DURATION = "duration"
    NAME = "name"
    STATUS = "status"
    STATUS_MESSAGE = "statusMessage"
    KIND = "kind"
    CHILD_COUNT = "span:childCount"
    SPAN_ID = "span:id"
    PARENT_ID = "span:parentID"
    PARENT = "parent"
    TRACE_DURATION = "traceDuration"
    TRACE_ROOT_NAME = "rootName"
    TRACE_ROOT_SERVICE = "rootServiceName"
    TRACE_ID = "trace:id"
    NESTED_SET_LEFT = "nestedSetLeft"
    NESTED_SET_RIGHT = "nestedSetRight"
    NESTED_SET_PARENT = "nestedSetParent"
    EVENT_NAME = "event:name"
    EVENT_TIME_SINCE_START = "event:timeSinceStart"
    LINK_TRACE_ID = "link:traceID"
    LINK_SPAN_ID = "link:spanID"
    INSTRUMENTATION_NAME = "instrumentation:name"
    INSTRUMENTATION_VERSION = "instrumentation:version"


@dataclass(frozen=True, slots=True)
class IntrinsicField(Node):
    """An intrinsic of the span, or of its parent if ``parent`` (``parent.duration``)."""

    intrinsic: Intrinsic
    parent: bool = False
    at: int = _place()


Field: TypeAlias = Attribute | IntrinsicField


# Field expressions: the content of braces


class UnaryOperator(StrEnum):
    NEGATE = "-"
    NOT = "!"


class BinaryOperator(StrEnum):
    """Operators between field expressions; between scalars and series only those of arithmetic and comparison."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    MATCH = "=~"
    NOT_MATCH = "!~"
    AND = "&&"
    OR = "||"

    @property
    def is_arithmetic(self) -> bool:
        return self.value in ("+", "-", "*", "/", "%", "^")

    @property
    def is_comparison(self) -> bool:
        return self.value in ("=", "!=", "<", "<=", ">", ">=")

    @property
    def is_regex(self) -> bool:
        return self.value in ("=~", "!~")

    @property
    def is_logical(self) -> bool:
        return self.value in ("&&", "||")


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-x`` or ``!x``. The minus of a number literal is part of the literal."""

    op: UnaryOperator
    operand: "FieldExpression"
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """``left op right``; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "FieldExpression"
    right: "FieldExpression"
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """``x != nil``, or ``x = nil`` if ``negated``."""

    operand: "FieldExpression"
    negated: bool = False
    at: int = _place()


FieldExpression: TypeAlias = Static | Attribute | IntrinsicField | Unary | Binary | Exists


# Spansets


class Relation(Enum):
    """Relation between two spans of a trace: a span of the right side is a … of a span of the left side."""

    CHILD = ">"
    PARENT = "<"
    DESCENDANT = ">>"
    ANCESTOR = "<<"
    SIBLING = "~"


class SpansetOperator(StrEnum):
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
    at: int = _place()


@dataclass(frozen=True, slots=True)
class SpansetOperation(Node):
    """``left op right``; ``at`` is the operator's offset. A side may be a pipeline in parentheses."""

    op: SpansetOperator
    left: "SpansetExpression"
    right: "SpansetExpression"
    at: int = _place()


# Scalars: one number for each spanset


class AggregateFunction(StrEnum):
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
    at: int = _place()


@dataclass(frozen=True, slots=True)
class ScalarOperation(Node):
    """Arithmetic between scalars; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "ScalarExpression"
    right: "ScalarExpression"
    at: int = _place()


@dataclass(frozen=True, slots=True)
class ScalarPipeline(Node):
    """``({ … } | … | count())``: a pipeline in parentheses whose last stage is a number."""

    pipeline: "Pipeline"
    scalar: "ScalarExpression"
    at: int = _place()


ScalarExpression: TypeAlias = Static | Aggregate | ScalarOperation | ScalarPipeline


# Pipelines


@dataclass(frozen=True, slots=True)
class ScalarFilter(Node):
    """``scalar op scalar`` with a comparison operator: keeps the spansets for which it holds."""

    op: BinaryOperator
    left: ScalarExpression
    right: ScalarExpression
    at: int = _place()


@dataclass(frozen=True, slots=True)
class GroupBy(Node):
    """``by(expression)``: splits each spanset by the value of the expression."""

    expression: FieldExpression
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    """``coalesce()``: undoes grouping."""

    at: int = _place()


@dataclass(frozen=True, slots=True)
class Select(Node):
    """``select(a, b)``: fields to return with every span."""

    fields: tuple[Field, ...]
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Pipeline(Node):
    """Stages in order. If the first is not a spanset expression, it is applied to all spans."""

    stages: tuple["Stage", ...]
    at: int = _place()


SpansetExpression: TypeAlias = SpansetFilter | SpansetOperation | Pipeline
Stage: TypeAlias = SpansetExpression | ScalarFilter | GroupBy | Coalesce | Select


# Metrics: one or more time series


class MetricsFunction(StrEnum):
    RATE = "rate"
    COUNT_OVER_TIME = "count_over_time"
    MIN_OVER_TIME = "min_over_time"
    MAX_OVER_TIME = "max_over_time"
    AVG_OVER_TIME = "avg_over_time"
    SUM_OVER_TIME = "sum_over_time"
    QUANTILE_OVER_TIME = "quantile_over_time"
    HISTOGRAM_OVER_TIME = "histogram_over_time"


class RankFunction(StrEnum):
    TOPK = "topk"
    BOTTOMK = "bottomk"


@dataclass(frozen=True, slots=True)
class MetricsAggregate(Node):
    """``rate() by (name)``: ``operand`` is None for rate and count_over_time; only quantiles have ``quantiles``."""

    function: MetricsFunction
    operand: Field | None = None
    quantiles: tuple[float, ...] = ()
    by: tuple[Field, ...] = ()
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``compare({ selection }, top, start, end)``: times in Unix nanoseconds, both 0 for the whole range."""

    selection: SpansetFilter
    top: int = 10
    start_ns: int = 0
    end_ns: int = 0
    at: int = _place()


@dataclass(frozen=True, slots=True)
class MetricsPipeline(Node):
    """``{ … } | … | rate()``: spans in, time series out."""

    spans: Pipeline
    aggregate: MetricsAggregate | Compare
    at: int = _place()


@dataclass(frozen=True, slots=True)
class Rank(Node):
    """``series | topk(limit)``: the series with the highest or lowest values, chosen at each step."""

    series: "MetricsExpression"
    function: RankFunction
    limit: int
    at: int = _place()


@dataclass(frozen=True, slots=True)
class SeriesFilter(Node):
    """``series > 1``: the samples for which the comparison holds. Durations are converted to seconds."""

    series: "MetricsExpression"
    op: BinaryOperator
    value: float
    at: int = _place()


@dataclass(frozen=True, slots=True)
class MetricsOperation(Node):
    """Arithmetic between time series, or a time series and a number; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "MetricsExpression"
    right: "MetricsExpression"
    at: int = _place()


MetricsExpression: TypeAlias = MetricsPipeline | MetricsOperation | Rank | SeriesFilter | Static


# Queries


@dataclass(frozen=True, slots=True)
class Hint(Node):
    """An entry of ``with (name=value, …)``."""

    name: str
    value: Static
    at: int = _place()


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
        """Return the value of a hint: of the first of these types that it has; values of other types are ignored, as in
        Tempo.
        """
        given = [hint.value for type_ in types for hint in self.hints if (hint.name, hint.value.type) == (name, type_)]
        return given[0] if given else None
