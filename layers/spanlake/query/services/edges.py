"""The map of services: who calls whom, and which databases, queues and hosts that send no spans of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import FieldCompiler, span_column
from spanlake.query.compile.sql import Sql
from spanlake.query.engine.session import Session
from spanlake.query.limits import LimitExceeded
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.selected_spans import SelectedSpans
from spanlake.query.time_range import TimeRange
from spanlake.traceql import ast

# A request is a span of the kind server or consumer, and the span that it names: its parent, the span it shares its id
# with, as Zipkin's clients and servers do, or, for a consumer, the span that a link leads to.
_NAMED = """
    SELECT trace_id, parent_span_id AS span_id, FALSE AS is_shared, kind, service, is_error, duration
    FROM found WHERE kind IN (2, 5) AND NOT parent_span_id IS NULL
    UNION ALL
    SELECT trace_id, span_id, TRUE, kind, service, is_error, duration FROM found WHERE kind = 2
    UNION ALL
    SELECT link.trace_id, link.span_id, FALSE, kind, service, is_error, duration
    FROM (SELECT UNNEST(links) AS link, kind, service, is_error, duration FROM found WHERE kind = 5)
"""
# A span with the request that names it, or a client whose request sends no span: one join finds both.
_CALLS = """
    SELECT c.service AS client, COALESCE(n.service, c.peer) AS server,
      CASE WHEN n.service IS NULL THEN c.type WHEN c.kind = 4 OR n.kind = 5 THEN 'messaging' ELSE 'request' END AS type,
      c.is_error OR COALESCE(n.is_error, FALSE) AS is_error, COALESCE(n.duration, c.duration) AS duration
    FROM found AS c LEFT JOIN named AS n ON c.trace_id = n.trace_id AND c.span_id = n.span_id
    WHERE CASE WHEN n.service IS NULL THEN c.kind IN (3, 4) AND NOT c.peer IS NULL
      WHEN n.is_shared THEN c.kind = 3 ELSE c.kind IN (3, 4) OR c.service <> n.service END
"""
_EDGES = """
    SELECT client, server, type, COUNT(*) AS requests, COUNT(*) FILTER (WHERE is_error) AS errors,
      APPROX_QUANTILE(duration, [0.5, 0.95]) AS quantiles
    FROM calls GROUP BY client, server, type ORDER BY requests DESC, client, server, type
"""
_CONTENTS = (("named", _NAMED), ("calls", _CALLS))
_DATABASE = ("db.system.name", "db.system")
_MESSAGING = ("messaging.system",)
# The names of what is called, the best known first: OpenTelemetry's conventions, then those they replaced.
_HOSTS = ("server.address", "net.peer.name", "network.peer.address", "http.host")
_PEERS: dict[str, tuple[str, ...]] = {
    "database": ("peer.service", "db.namespace", "db.name", *_HOSTS, *_DATABASE),
    "messaging": ("messaging.destination.name", "messaging.destination", "peer.service", *_HOSTS, *_MESSAGING),
    "external": ("peer.service", *_HOSTS, "rpc.service"),
}
_MS = 1e6  # nanoseconds


class EdgeType(StrEnum):
    """Kind of a connection: between services by request or message, or to what sends no spans."""

    REQUEST = "request"
    MESSAGING = "messaging"
    DATABASE = "database"
    EXTERNAL = "external"


@dataclass(frozen=True)
class Edge:
    """Requests from a client to a server.

    Quantiles are estimates in milliseconds of the server's spans, or of the client's where the server sends none.
    """

    client: str
    server: str
    type: EdgeType
    requests: int
    errors: int
    p50_ms: float
    p95_ms: float


def edges(session: Session, source: BlockScan, when: TimeRange) -> list[Edge]:
    """Return the edges of all spans in a range, the busiest first.

    Raises LimitExceeded for more edges than a metrics query may have series.
    """
    if not source.blocks:
        return []
    session.charge(source.blocks)
    query = sql.parsed(_EDGES)
    query.with_("found", as_=_found(session, source, when), copy=False)
    for name, content in _CONTENTS:
        query.with_(name, as_=sql.parsed(content), copy=False)
    limit = session.limits.series
    rows = session.run(query.limit(limit + 1, copy=False)).to_pylist()
    if len(rows) > limit:
        raise LimitExceeded(f"the map has more than {limit} edges: ask for a shorter range")
    return [_edge(row) for row in rows]


def _edge(row: dict[str, object]) -> Edge:
    client, server, type_, requests, errors, quantiles = row.values()
    assert isinstance(requests, int)
    assert isinstance(errors, int)
    assert isinstance(quantiles, list)
    return Edge(str(client), str(server), EdgeType(str(type_)), requests, errors, *(value / _MS for value in quantiles))


def _found(session: Session, source: BlockScan, when: TimeRange) -> exp.Select:
    fields = FieldCompiler(source.known)
    kind, links = span_column("kind"), span_column("links")
    has_error = exp.EQ(this=span_column("status_code"), expression=sql.number(2))
    is_client = exp.In(this=kind.copy(), expressions=[sql.number(3), sql.number(4)])
    select = [
        *(exp.alias_(span_column(name), name) for name in ("trace_id", "span_id", "parent_span_id", "kind")),
        exp.alias_(exp.func("coalesce", span_column("service_name"), exp.Literal.string("")), "service"),
        exp.alias_(exp.func("coalesce", has_error, exp.false()), "is_error"),
        exp.alias_(sql.not_negative(span_column("duration_nano")), "duration"),
        exp.alias_(links, "links"),
        exp.alias_(_type(fields), "type"),
        exp.alias_(exp.cast(sql.case(is_client, _peer(fields)), "VARCHAR"), "peer"),  # also where all are NULL
    ]
    return SelectedSpans(when).query(session, source.once(), select)


def _type(fields: FieldCompiler) -> Sql:
    """Return the type of the peer of a client, if the peer sends no spans."""
    is_producer = exp.EQ(this=span_column("kind"), expression=sql.number(4))
    is_message = sql.any_of([_is_there(fields, _MESSAGING), is_producer])
    text = exp.Literal.string
    other = sql.case(is_message, text("messaging"), text("external"))
    return sql.case(_is_there(fields, _DATABASE), text("database"), other)


def _peer(fields: FieldCompiler) -> Sql:
    type_ = _type(fields)
    whens = [
        exp.If(this=exp.EQ(this=type_.copy(), expression=exp.Literal.string(name)), true=_first(fields, keys))
        for name, keys in _PEERS.items()
    ]
    return exp.Case(ifs=whens)


def _first(fields: FieldCompiler, keys: tuple[str, ...]) -> Sql:
    found = [part for key in keys for part in _texts(fields, key)]
    return sql.first_of(found) if found else exp.Null()


def _is_there(fields: FieldCompiler, keys: tuple[str, ...]) -> Sql:
    return sql.any_of(sql.not_null(part) for key in keys for part in _texts(fields, key))


def _texts(fields: FieldCompiler, key: str) -> Iterator[Sql]:
    """Yield the attribute of a span where it is text that is not empty."""
    wanted = ast.Attribute(ast.AttributeScope.SPAN, key)
    for part in fields.value(wanted):
        if part.type is ast.Type.STRING and not part.is_list:
            yield exp.Nullif(this=part.sql, expression=exp.Literal.string(""))
