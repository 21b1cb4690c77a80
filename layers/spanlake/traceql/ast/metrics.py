"""Nodes of metrics expressions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from spanlake.traceql.ast.fields import BinaryOperator, Field, Node, Static, position_field
from spanlake.traceql.ast.spansets import Pipeline, SpansetFilter

# Metrics: one or more time series


class MetricsFunction(StrEnum):
    """Functions that make time series of spans."""

    RATE = "rate"
    COUNT_OVER_TIME = "count_over_time"
    MIN_OVER_TIME = "min_over_time"
    MAX_OVER_TIME = "max_over_time"
    AVG_OVER_TIME = "avg_over_time"
    SUM_OVER_TIME = "sum_over_time"
    QUANTILE_OVER_TIME = "quantile_over_time"
    HISTOGRAM_OVER_TIME = "histogram_over_time"


class RankFunction(StrEnum):
    """Functions that keep the largest or smallest series."""

    TOPK = "topk"
    BOTTOMK = "bottomk"


@dataclass(frozen=True, slots=True)
class MetricsAggregate(Node):
    """``rate() by (name)``: ``operand`` is None for rate and count_over_time; only quantiles have ``quantiles``."""

    function: MetricsFunction
    operand: Field | None = None
    quantiles: tuple[float, ...] = ()
    by: tuple[Field, ...] = ()
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``compare({ selection }, top, start, end)``: times in Unix nanoseconds, both 0 for the whole range."""

    selection: SpansetFilter
    top: int = 10
    start_ns: int = 0
    end_ns: int = 0
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class MetricsPipeline(Node):
    """``{ … } | … | rate()``: spans in, time series out."""

    spans: Pipeline
    aggregate: MetricsAggregate | Compare
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class Rank(Node):
    """``series | topk(limit)``: the series with the highest or lowest values, chosen at each step."""

    series: "MetricsExpression"
    function: RankFunction
    limit: int
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class SeriesFilter(Node):
    """``series > 1``: the samples for which the comparison holds. Durations are converted to seconds."""

    series: "MetricsExpression"
    op: BinaryOperator
    value: float
    at: int = position_field()


@dataclass(frozen=True, slots=True)
class MetricsOperation(Node):
    """Arithmetic between time series, or a time series and a number; ``at`` is the operator's offset."""

    op: BinaryOperator
    left: "MetricsExpression"
    right: "MetricsExpression"
    at: int = position_field()


MetricsExpression: TypeAlias = MetricsPipeline | MetricsOperation | Rank | SeriesFilter | Static
