"""Prints docs/api.md from the OpenAPI document: ``make docs-api``."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from spanlake.api.openapi import openapi_document
from spanlake.api.operations import Operations, ops_routes
from spanlake.api.tempo.routes import tempo_routes
from spanlake.api.typed_route import typed_routes

_HEAD = """\
# API reference

Made by `make docs-api` from the OpenAPI document, which a server has at `/openapi.json`; `/docs` shows it in a browser.
The API is Grafana Tempo's; [Tempo compatibility](tempo-compatibility.md) lists the differences. Errors are plain text.
[Send traces](send-traces.md) has the endpoints that take spans in (`POST /v1/traces` and others); `GET /metrics` has
Prometheus metrics of spanlake itself, `GET /usage_metrics` the [usage of tenants](security.md#usage-of-tenants).

The tenant is the header `X-Scope-OrgID`; without it, or where it is empty, `single-tenant`. Times are Unix seconds,
milliseconds, microseconds or nanoseconds, told apart by their size, or RFC 3339. A parameter that an endpoint knows is
honoured, or refused by name. Answers of 2 KiB and more are compressed for clients that send `Accept-Encoding: gzip`. A
query may have 131,072 characters, and a request line with its headers 512 KiB.
"""
_REF = "#/components/schemas/"


def page() -> str:
    """Returns the page, ending with a newline."""
    document = _document()
    return "\n".join(_parts(document)).rstrip() + "\n"


def _document() -> dict[str, Any]:
    operations = Operations(lambda: None, list, list, {}, 0.0, {})
    nothing = cast("Any", None)  # no route is called
    return openapi_document(typed_routes([*tempo_routes(nothing, nothing), *ops_routes(operations)]))


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    yield _HEAD
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"## `{method.upper()} {path}`\n"
            yield f"{operation['description']}\n"
            yield from _parameters(operation.get("parameters", []))
            yield from _answers(operation["responses"])
    yield "## Answers\n"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)


def _parameters(parameters: list[Mapping[str, Any]]) -> Iterator[str]:
    if not parameters:
        return
    yield "| parameter | in | type | default | |"
    yield "|---|---|---|---|---|"
    for each in parameters:
        schema = each["schema"]
        default = f"`{schema['default']}`" if schema.get("default") not in {None, ""} else ""
        example = f" As in `{schema['examples'][0]}`." if schema.get("examples") else ""
        about = f"{each.get('description', '')}.{example}" if each.get("description") else ""
        yield _row(f"`{each['name']}`", each["in"], _type(schema), default, about)
    yield ""


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        for media_type, content in response.get("content", {}).items():
            shape = _type(content["schema"]) if content.get("schema") else ""
            yield f"- {status}: `{media_type}` {shape}".rstrip()
        if not response.get("content"):
            yield f"- {status}: no body"
    yield ""


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if schema.get("description"):
        yield f"{' '.join(schema['description'].split())}\n"
    properties = schema.get("properties", {})
    if properties:
        yield "| field | type | |"
        yield "|---|---|---|"
        for field, found in properties.items():
            yield _row(f"`{field}`", _type(found), found.get("description", ""))
        yield ""


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _row(*cells: str) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return "|" + "|".join(f" {cell} " if cell else " " for cell in escaped) + "|"


if __name__ == "__main__":
    sys.stdout.write(page())
