"""The commands ``spanlake tags`` and ``spanlake values``."""

from urllib.parse import quote

from rich.text import Text

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.tags import TagScope, parse_tag_values, parse_tags
from spanlake.cli.client.times import TimeRange
from spanlake.cli.errors import InvalidOption, nothing_found
from spanlake.cli.explain import explain_no_spans, explain_no_values
from spanlake.cli.printable import printable
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.render.text import show
from spanlake.traceql import TraceQLError, ast
from spanlake.traceql.parser import parse_identifier
from spanlake.traceql.printer import print_field

_TAGS = "/api/v2/search/tags"
_SCOPES = ("resource", "span", "event", "link", "instrumentation", "intrinsic")


def list_tags(api: TempoApi, scope: str, query: str, when: TimeRange, *, as_json: bool) -> None:
    """Print the names of attributes; raises CommandError, and typer.Exit when there are none."""
    if scope and scope not in _SCOPES:
        raise InvalidOption(f"invalid scope {printable(scope)}: write one of {', '.join(_SCOPES)}")
    wanted = {**({"scope": scope} if scope else {}), **({"q": query} if query else {})}
    body = api.get(_TAGS, {**when.params, **wanted})
    scopes = sorted(
        parse_tags(json.parse(body)), key=lambda found: _SCOPES.index(found.name) if found.name in _SCOPES else 0
    )
    names = [name for found in scopes for name in _spelled(found, scope)]
    if as_json:
        print_json(body)
    else:
        console = output()
        for name in names:
            show(console, Text(printable(name)))
    if not names:
        reasons = [] if as_json else explain_no_spans(api, when)
        raise nothing_found("\n".join([f"no attributes {when}", *reasons]))


def list_values(api: TempoApi, tag: str, query: str, when: TimeRange, limit: int, *, as_json: bool) -> None:
    """Print the values of an attribute; raises CommandError, and typer.Exit when there are none."""
    name, field = _identified(tag)
    wanted = {**when.params, "limit": str(limit), **({"q": query} if query else {})}
    body = api.get(f"/api/v2/search/tag/{quote(name, safe='')}/values", wanted)
    found = sorted(parse_tag_values(json.parse(body)), key=lambda each: (each.type, each.value))
    types = {each.type for each in found}
    if as_json:
        print_json(body)
    else:
        console = output()
        for each in found:
            note = f"  {each.type}" if len(types) > 1 else ""
            show(console, Text.assemble(printable(each.value), (note, "dim")))
    if not found:
        reasons = [] if as_json else explain_no_values(api, field, when)
        raise nothing_found("\n".join([f"no values of {printable(tag)} {when}", *reasons]))


def _spelled(found: TagScope, scope: str) -> list[str]:
    """Return names as a query has them; intrinsics only where they were asked for."""
    if found.name == "intrinsic":
        return sorted(found.tags) if scope == "intrinsic" else []
    try:
        kind = ast.AttributeScope(found.name)
    except ValueError:
        return [f"{found.name}.{tag}" for tag in sorted(found.tags)]
    return [print_field(ast.Attribute(kind, tag)) for tag in sorted(found.tags)]


def _identified(tag: str) -> tuple[str, ast.Field]:
    """Return the name as the API takes it, and its field; a bare one such as service.name means any scope."""
    try:
        return tag, parse_identifier(tag)
    except TraceQLError:
        dotted = f".{tag}"
        try:
            return dotted, parse_identifier(dotted)
        except TraceQLError as error:
            raise InvalidOption(f"invalid name: {error}") from None
