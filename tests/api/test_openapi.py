"""The OpenAPI document and its page, against a real server."""

import json
import re
from typing import Any

import pytest

from tests.server_process import SpanlakeServer


@pytest.fixture(scope="module")
def document(server: SpanlakeServer) -> dict[str, Any]:
    """The document of a server."""
    return dict(json.loads(server.get("/openapi.json").body))


def test_document_has_every_route_of_queries_and_operations(server: SpanlakeServer, document: dict[str, Any]) -> None:
    lines = [line.split(maxsplit=1) for line in server.get("/status/endpoints").body.decode().splitlines()]
    expected = {
        path: {method.lower() for method in methods.split(", ")} - {"head"}
        for path, methods in lines
        if path.startswith(("/api/", "/status", "/ready")) and "POST" not in methods and "sampling" not in path
    }
    described = {path: set(methods) for path, methods in document["paths"].items()}
    # A POST shares the path of Jaeger's collector with nothing that is described.
    assert described == expected


def test_document_names_the_parameters_with_their_types(document: dict[str, Any]) -> None:
    search = {one["name"]: one for one in document["paths"]["/api/search"]["get"]["parameters"]}
    names = {"start", "end", "since", "q", "query", "tags", "minDuration", "maxDuration", "limit", "spss"}
    assert set(search) == names
    assert search["limit"]["schema"]["type"] == "integer"
    assert search["limit"]["schema"]["default"] == 20
    assert search["start"]["schema"]["type"] == "string"
    assert all(one["required"] is False and one["description"] for one in search.values())
    by_id = document["paths"]["/api/traces/{trace_id}"]["get"]["parameters"]
    assert {"in": "path", "name": "trace_id", "required": True}.items() <= by_id[0].items()


def test_document_describes_answers_and_errors(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    answers = document["paths"]["/api/search"]["get"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/SearchResponse"}
    assert set(schemas["SearchResponse"]["properties"]) == {"traces", "metrics"}
    assert set(answers["4XX"]["content"]) == {"text/plain"}
    assert "422" not in answers


def test_document_refers_to_nothing_that_it_lacks(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert referred <= set(document["components"]["schemas"])


def test_page_loads_nothing_from_another_host(server: SpanlakeServer) -> None:
    page = server.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert loaded
    for reference in loaded:
        assert not re.match(r"(\w+:)?//", reference)
        if not reference.startswith("data:"):
            assert server.get(f"/{reference}").status == 200


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2f__init__.py", "%2e%2e/__init__.py", "nothing.js"])
def test_page_gives_out_no_other_file(server: SpanlakeServer, name: str) -> None:
    assert server.get(f"/docs/{name}").status == 404
