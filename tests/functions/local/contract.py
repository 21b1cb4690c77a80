"""What the template says of routes and of the stream, in short."""

from tests.functions.local.event_source import EventSource
from tests.functions.local.routes import Route

_INGEST = ("POST /v1/traces", "POST /api/traces", "POST /api/v2/spans", "POST /api/v1/spans")
_QUERY = (
    "GET /api/echo",
    "GET /api/traces/{traceId}",
    "GET /api/v2/traces/{traceId}",
    "DELETE /api/traces/{traceId}",
    "GET /api/search",
    "GET /api/search/tags",
    "GET /api/v2/search/tags",
    "GET /api/search/tag/{proxy+}",
    "GET /api/v2/search/tag/{proxy+}",
    "GET /api/metrics/query_range",
    "GET /api/metrics/query",
    "GET /ready",
    "GET /status",
    "GET /api/status/buildinfo",
)
ROUTES = (*(Route(key, "ingest") for key in _INGEST), *(Route(key, "query") for key in _QUERY))

COMPACT = EventSource(
    pattern={"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "00#"}]}}}},
    batch_size=10_000,
    window=300,
    retries=4,
)
