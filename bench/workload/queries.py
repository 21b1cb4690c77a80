"""The queries that are measured, each with the columns that it has to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

_SEARCH, _RANGE, _INSTANT = "/api/search", "/api/metrics/query_range", "/api/metrics/query"
_MATCH = ("trace_id", "start_time_unix_nano")
"""Columns that a search reads of every matching span."""
_TREE = (*_MATCH, "span_id", "parent_span_id")
"""Columns that structural operators read of every span."""
_TIME = "start_time_unix_nano"

_SERVICE, _KIND, _STATUS, _NAME, _DURATION = "service_name", "kind", "status_code", "name", "duration_nano"
_USER, _METHOD, _ROUTE = "span_user_id", "span_http_method", "span_http_route"
_HTTP_STATUS, _RETRY, _TOTAL = "span_http_status__code___int", "span_retry___bool", "span_app_cart_total___double"
_SYSTEM, _STATEMENT, _PRODUCTS = "span_db_system", "span_db_statement", "span_app_products___strings"
_ROWS, _ZONE = "span_db_rows___int", "resource_cloud_availability__zone"

_ALL = "*"
"""Every column."""

BEYOND_TEMPO = "beyond Tempo"
"""The area of the queries that Tempo refuses."""


@dataclass(frozen=True)
class Query:
    """A request to the Tempo API. `$trace` and `$product` stand for values that the data holds."""

    area: str
    label: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    """Columns of the blocks that it reads; none where the index alone can answer."""

    def about(self, known: Mapping[str, str]) -> "Query":
        """The query with values in place of their names."""
        params = {key: Template(value).substitute(known) for key, value in self.params.items()}
        return Query(self.area, self.label, Template(self.path).substitute(known), params, self.columns)


def _traceql(q: str, *columns: str, **params: str) -> Query:
    label = " ".join([q, *(f"{key}={value}" for key, value in params.items())])
    return Query("search", label, _SEARCH, {"q": q, **params}, (*_MATCH, *columns))


def _structure(q: str, *columns: str) -> Query:
    return Query("structure", q, _SEARCH, {"q": q}, (*_TREE, *columns))


def _pipeline(q: str, *columns: str) -> Query:
    return Query("pipelines", q, _SEARCH, {"q": q}, (*_MATCH, *columns))


def _beyond(q: str, *columns: str) -> Query:
    return Query(BEYOND_TEMPO, q, _SEARCH, {"q": q}, (*_MATCH, *columns))


def _metrics(q: str, *columns: str) -> Query:
    return Query("metrics", q, _RANGE, {"q": q}, (_TIME, *columns))


def _instant(q: str, *columns: str) -> Query:
    return Query("instant metrics", q, _INSTANT, {"q": q}, (_TIME, *columns))


def _tagged(*columns: str, **params: str) -> Query:
    label = " ".join(f"{key}={value}" for key, value in params.items())
    return Query("search by tags", label, _SEARCH, params, (*_MATCH, *columns))


def _trace(path: str) -> Query:
    return Query("trace by id", path, path, {}, ("trace_id",))


def _names(path: str, *columns: str, **params: str) -> Query:
    return Query("tag names", " ".join([path, *params.values()]), path, params, columns)


def _values(path: str, *columns: str, **params: str) -> Query:
    return Query("tag values", " ".join([path, *params.values()]), path, params, columns)


QUERIES = (
    _tagged(_SERVICE, tags="service.name=frontend"),
    _tagged(_METHOD, _SERVICE, tags="http.method=POST service.name=api"),
    _tagged(_DURATION, minDuration="50ms", maxDuration="80ms"),
    _traceql("{ }"),
    _traceql('{ resource.service.name = "frontend" }', _SERVICE),
    _traceql('{ span.user.id = "u4242" }', _USER),
    _traceql('{ span.user.id = "nobody" }', _USER),
    _traceql("{ span.http.status_code >= 500 }", _HTTP_STATUS),
    _traceql('{ .http.method = "POST" }', _METHOD),
    _traceql('{ span.http.route =~ "/api/.*" }', _ROUTE),
    _traceql('{ span.db.statement !~ "SELECT.*" }', _STATEMENT),
    _traceql('{ name = "POST /checkout" }', _NAME),
    _traceql("{ duration > 60ms }", _DURATION),
    _traceql("{ status = error }", _STATUS),
    _traceql("{ status = error }", _STATUS, limit="500"),
    _traceql('{ kind = client && span.db.system = "mysql" }', _KIND, _SYSTEM),
    _traceql('{ resource.service.name = "payment" || span.http.status_code = 503 }', _SERVICE, _HTTP_STATUS),
    _traceql("{ span.app.cart.total * 2 > 999 }", _TOTAL),
    _traceql("{ span.user.id = nil && status = error }", _USER, _STATUS),
    _traceql('{ span.http.method != "GET" }', _METHOD),
    _traceql("{ span.retry = true && span.http.status_code != 200 }", _RETRY, _HTTP_STATUS),
    _traceql('{ span.app.products = "$product" }', _PRODUCTS),
    _traceql('{ event.exception.type = "shop.errors.OutOfStock" }', "events"),
    _traceql('{ rootName = "POST /checkout" && traceDuration > 90ms }', _NAME, _DURATION, "parent_span_id"),
    _structure('{ resource.service.name = "frontend" } >> { status = error }', _SERVICE, _STATUS),
    _structure('{ resource.service.name = "api" } > { kind = client && status = error }', _SERVICE, _KIND, _STATUS),
    _structure('{ span.db.system = "mysql" } << { name = "POST /checkout" }', _SYSTEM, _NAME),
    _structure("{ status = error } < { kind = server }", _STATUS, _KIND),
    _structure('{ span.db.system = "redis" } ~ { span.db.system = "postgresql" && status = error }', _SYSTEM, _STATUS),
    _structure("{ kind = server } !>> { status = error }", _KIND, _STATUS),
    _structure("{ kind = client } !> { kind = server && status = error }", _KIND, _STATUS),
    _structure('{ resource.service.name = "checkout" } &>> { status = error }', _SERVICE, _STATUS),
    _structure("{ kind = client } &> { kind = server && status = error }", _KIND, _STATUS),
    _structure('{ status = error } && { resource.service.name = "payment" }', _STATUS, _SERVICE),
    _structure("{ status = error } || { span.http.status_code = 304 }", _STATUS, _HTTP_STATUS),
    _structure(
        '({ name = "POST /checkout" } >> { status = error }) && { span.db.system = "mysql" }', _NAME, _STATUS, _SYSTEM
    ),
    _structure("{ nestedSetParent < 0 && status = error }", _STATUS),
    _structure("{ nestedSetRight - nestedSetLeft > 60 }"),
    _structure("{ span:childCount > 8 }"),
    _structure("{ span:childCount = 0 && kind = server }", _KIND),
    _structure("{ trace:duration > 90ms && status = error }", _DURATION, _STATUS),
    _structure(
        '{ trace:rootService = "email" && trace:rootName = "orders process" && kind = client }', _SERVICE, _NAME, _KIND
    ),
    _pipeline("{ } | count() > 30"),
    _pipeline("{ status = error } | count() > 3", _STATUS),
    _pipeline("{ kind = client } | avg(duration) > 5ms", _KIND, _DURATION),
    _pipeline("{ span.db.rows > 0 } | sum(span.db.rows) > 300", _ROWS),
    _pipeline("{ } | by(resource.service.name) | count() > 12", _SERVICE),
    _pipeline("{ } | by(resource.service.name) | count() > 4 | coalesce()", _SERVICE),
    _pipeline(
        "{ status = error } | select(span.http.method, resource.cloud.availability_zone)", _STATUS, _METHOD, _ZONE
    ),
    _pipeline("{ kind = server } | { duration > 20ms } | count() > 3 | { status = error }", _KIND, _DURATION, _STATUS),
    _pipeline("{ status = error } with (most_recent=true)", _STATUS),
    _pipeline("{ } | count() > 30 with (most_recent=true)"),
    _beyond(
        '{ parent.resource.service.name = "checkout" && status = error }',
        "span_id",
        "parent_span_id",
        _SERVICE,
        _STATUS,
    ),
    _beyond("{ parent.duration > 80ms && kind = client }", "span_id", "parent_span_id", _DURATION, _KIND),
    _beyond("{ } | max(duration) > 8 * avg(duration)", _DURATION),
    _beyond('({ status = error } | count() > 2) && { resource.service.name = "payment" }', _STATUS, _SERVICE),
    _metrics("{ } | rate()"),
    _metrics("{ } | rate() by (resource.service.name)", _SERVICE),
    _metrics("{ status = error } | count_over_time() by (resource.service.name)", _STATUS, _SERVICE),
    _metrics("{ } | min_over_time(duration) by (resource.service.name)", _DURATION, _SERVICE),
    _metrics("{ } | max_over_time(duration) by (resource.service.name)", _DURATION, _SERVICE),
    _metrics("{ } | sum_over_time(span.db.rows) by (span.db.system)", _ROWS, _SYSTEM),
    _metrics("{ } | avg_over_time(span.app.cart.total) by (span.http.method)", _TOTAL, _METHOD),
    _metrics("{ } | quantile_over_time(duration, 0.5, 0.9, 0.99) by (resource.service.name)", _DURATION, _SERVICE),
    _metrics("{ } | histogram_over_time(duration)", _DURATION),
    _metrics(
        "{ } | rate() by (resource.service.name, span.http.method, span.http.status_code)",
        _SERVICE,
        _METHOD,
        _HTTP_STATUS,
    ),
    _metrics("{ } | compare({ status = error })", _ALL),
    _metrics("{ } | rate() by (span.db.statement) | topk(10)", _STATEMENT),
    _metrics("{ } | rate() by (name) | bottomk(3)", _NAME),
    _metrics("{ } | rate() by (resource.service.name) > 20", _SERVICE),
    _metrics(
        "({ status = error } | rate() by (resource.service.name)) / ({ } | rate() by (resource.service.name)) * 100",
        _STATUS,
        _SERVICE,
    ),
    _metrics('{ resource.service.name = "frontend" } >> { status = error } | rate()', *_TREE, _SERVICE, _STATUS),
    _metrics("{ } | count() > 30 | rate()", "trace_id"),
    _metrics("{ kind = server && duration > 20ms } | count_over_time() by (name) | topk(5)", _KIND, _DURATION, _NAME),
    _instant("{ } | rate() by (resource.service.name)", _SERVICE),
    _instant("{ } | quantile_over_time(duration, 0.99) by (resource.service.name)", _DURATION, _SERVICE),
    _instant("{ } | rate() by (span.user.id) | topk(10)", _USER),
    _instant("{ status = error } | count_over_time() by (name) | topk(5)", _STATUS, _NAME),
    _trace("/api/traces/$trace"),
    _trace("/api/v2/traces/$trace"),
    _names("/api/search/tags"),
    _names("/api/v2/search/tags"),
    _names("/api/v2/search/tags", _SERVICE, q='{ resource.service.name = "cart" }'),
    _names("/api/v2/search/tags", _STATUS, _KIND, q="{ status = error && kind = server }"),
    _values("/api/search/tag/service.name/values", _SERVICE),
    _values("/api/v2/search/tag/resource.service.name/values", _SERVICE),
    _values("/api/v2/search/tag/name/values", _NAME),
    _values("/api/v2/search/tag/span.thread.id/values", "span_thread_id___int"),
    _values("/api/v2/search/tag/span.user.id/values", _USER),
    _values("/api/v2/search/tag/span.app.cart.total/values", _TOTAL),
    _values("/api/v2/search/tag/span.user.id/values", _USER, _SERVICE, q='{ resource.service.name = "checkout" }'),
    _values("/api/v2/search/tag/name/values", _NAME, _STATUS, q="{ status = error }"),
)
