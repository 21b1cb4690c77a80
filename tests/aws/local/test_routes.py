"""Which route a request takes."""

import pytest

from tests.aws.local.routes import Route, match

KEYS = (
    "POST /v1/traces",
    "GET /api/traces/{id}",
    "ANY /api/traces/{id}",
    "GET /api/search",
    "GET /api/search/{what+}",
    "GET /api/search/tags",
    "GET /{rest+}",
)
ROUTES = tuple(Route(key, "any") for key in KEYS)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("POST", "/v1/traces", "POST /v1/traces", {}),
        ("GET", "/api/traces/ab", "GET /api/traces/{id}", {"id": "ab"}),
        ("DELETE", "/api/traces/ab", "ANY /api/traces/{id}", {"id": "ab"}),
        ("GET", "/api/search", "GET /api/search", {}),
        ("GET", "/api/search/tags", "GET /api/search/tags", {}),
        ("GET", "/api/search/tag/a/b/values", "GET /api/search/{what+}", {"what": "tag/a/b/values"}),
        ("GET", "/api/traces/a/b", "GET /{rest+}", {"rest": "api/traces/a/b"}),
        ("GET", "/apiXsearch", "GET /{rest+}", {"rest": "apiXsearch"}),
    ],
)
def test_the_most_exact_route_is_taken(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    found = match(ROUTES, method, path)
    assert found is not None
    assert (found.route.key, found.parameters) == (key, parameters)


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/v1/traces/"), ("PUT", "/v1/traces")])
def test_no_route(method: str, path: str) -> None:
    assert match(ROUTES, method, path) is None
