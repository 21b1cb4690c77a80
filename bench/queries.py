"""The queries that are measured, each with the columns that it has to read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

_SEARCH = "/api/search"
_MATCH = ("trace_id", "start_time_unix_nano")
"""What a search reads of every span that matches."""

_SERVICE, _KIND, _STATUS, _NAME, _DURATION = "service_name", "kind", "status_code", "name", "duration_nano"
_USER, _METHOD, _ROUTE = "span_user_id", "span_http_method", "span_http_route"
_HTTP_STATUS, _RETRY, _TOTAL = "span_http_status__code___int", "span_retry___bool", "span_app_cart_total___double"
_SYSTEM, _STATEMENT, _PRODUCTS = "span_db_system", "span_db_statement", "span_app_products___strings"


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
    _trace("/api/traces/$trace"),
    _trace("/api/v2/traces/$trace"),
    _names("/api/search/tags"),
    _names("/api/v2/search/tags"),
    _names("/api/v2/search/tags", _SERVICE, q='{ resource.service.name = "cart" }'),
    _values("/api/search/tag/service.name/values", _SERVICE),
    _values("/api/v2/search/tag/resource.service.name/values", _SERVICE),
    _values("/api/v2/search/tag/name/values", _NAME),
    _values("/api/v2/search/tag/span.thread.id/values", "span_thread_id___int"),
    _values("/api/v2/search/tag/span.user.id/values", _USER),
    _values("/api/v2/search/tag/span.app.cart.total/values", _TOTAL),
    _values("/api/v2/search/tag/span.user.id/values", _USER, _SERVICE, q='{ resource.service.name = "checkout" }'),
)
