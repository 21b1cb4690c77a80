"""Rate, errors and durations of services, and of the operations of a service."""

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import span_column
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.selected_spans import SelectedSpans

# Requests are the spans that come from outside of the service, and those that nothing called.
_STATISTICS = """
    SELECT {by}, COUNT(*) AS spans,
      COUNT(*) FILTER (WHERE is_request) AS requests,
      COUNT(*) FILTER (WHERE is_request AND is_error) AS errors,
      APPROX_QUANTILE(duration, [0.5, 0.95, 0.99]) FILTER (WHERE is_request) AS quantiles
    FROM (
      SELECT *, status_code = 2 AS is_error, kind IN (2, 5) OR parent_span_id IS NULL AS is_request FROM found
    ) GROUP BY {by} ORDER BY requests DESC, spans DESC, {by}
"""
_SERVICES = _STATISTICS.format(by="service")
# An operation that nobody outside calls has the figures of all its spans.
_OPERATIONS = """
    SELECT name, kind, COUNT(*) AS spans, COUNT(*) AS requests, COUNT(*) FILTER (WHERE status_code = 2) AS errors,
      APPROX_QUANTILE(duration, [0.5, 0.95, 0.99]) AS quantiles
    FROM found WHERE service = (SELECT service FROM wanted)
    GROUP BY name, kind ORDER BY spans DESC, name, kind
"""
_MS = 1e6  # nanoseconds


@dataclass(frozen=True)
class Red:
    """Rate, errors and durations of some spans. Quantiles are estimates in milliseconds, 0 without requests."""

    spans: int
    requests: int
    errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class ServiceStatistics:
    """A service, or an operation of it: its name, and the OTLP number of its spans' kind."""

    name: str
    kind: int
    red: Red


def services(session: Session, source: BlockScan, selected: SelectedSpans) -> list[ServiceStatistics]:
    """Return the services of the selected spans, those with the most requests first.

    Raises LimitExceeded for more services than one answer may have values.
    """
    rows = _rows(session, source, selected, _SERVICES, ())
    return [ServiceStatistics(row["service"], 0, _red(row)) for row in rows]


def operations(session: Session, source: BlockScan, selected: SelectedSpans, service: str) -> list[ServiceStatistics]:
    """Return the operations of a service by span name and kind, those with the most spans first.

    Raises LimitExceeded for more operations than one answer may have values.
    """
    wanted = exp.select(exp.alias_(sql.text(service), "service"))
    rows = _rows(session, source, selected, _OPERATIONS, (("wanted", wanted),))
    return [ServiceStatistics(row["name"] or "", row["kind"] or 0, _red(row)) for row in rows]


def _rows(
    session: Session,
    source: BlockScan,
    selected: SelectedSpans,
    statistics: str,
    tables: tuple[tuple[str, exp.Select], ...],
) -> list[dict[str, Any]]:
    if not source.blocks:
        return []
    session.charge(source.blocks)
    query = sql.parsed(statistics)
    for name, table in (("found", _found(session, source, selected)), *tables):
        query.with_(name, as_=table, copy=False)
    limit = session.limits.values
    rows: list[dict[str, Any]] = session.run(query.limit(limit + 1, copy=False)).to_pylist()
    if len(rows) > limit:
        raise LimitExceeded(f"the range has more than {limit} services or operations: ask for a shorter range")
    return rows


def _found(session: Session, source: BlockScan, selected: SelectedSpans) -> exp.Select:
    service = exp.func("coalesce", span_column("service_name"), exp.Literal.string(""))
    plain = ("name", "kind", "status_code", "parent_span_id")
    select = [
        exp.alias_(service, "service"),
        *(exp.alias_(span_column(name), name) for name in plain),
        exp.alias_(sql.not_negative(span_column("duration_nano")), "duration"),
    ]
    return selected.query(session, source.once(), select)


def _red(row: dict[str, Any]) -> Red:
    p50, p95, p99 = row["quantiles"] or (0, 0, 0)
    return Red(row["spans"], row["requests"], row["errors"], p50 / _MS, p95 / _MS, p99 / _MS)
