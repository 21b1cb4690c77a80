"""The command ``spanlake query``."""

import re
from dataclasses import dataclass

import typer

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.refusals import of_query
from spanlake.cli.client.search import parse_search
from spanlake.cli.client.series import parse_series
from spanlake.cli.client.times import TimeRange
from spanlake.cli.errors import InvalidOption, Refused, nothing_found
from spanlake.cli.explain import explain_nil, explain_nothing
from spanlake.cli.notes import print_notes
from spanlake.cli.render.search import show_traces
from spanlake.cli.render.series import show_series, show_values
from spanlake.cli.render.terminal import output, print_json
from spanlake.cli.render.units import unit_of
from spanlake.traceql import TraceQLError, parse

_TRACE_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_SQL = re.compile(r"\s*(select|with|from)\s[^{]*\sfrom\s|\s*from\s", re.IGNORECASE)
_SEARCH = "/api/search"
_METRICS = "/api/metrics/query_range"
_INSTANT = "/api/metrics/query"


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A query with its limits."""

    traceql: str
    when: TimeRange
    limit: int
    spans_per_set: int
    step_seconds: int | None  # None leaves the choice to the server
    instant: bool = False  # one value for the whole range


def run(client: TempoApi, question: QueryRequest, *, as_json: bool) -> None:
    """Send the query and print the answer; raises CommandError, and typer.Exit when nothing was found."""
    ask = _metrics if _is_metrics(question.traceql) else _search
    if other := _other_command(question.traceql):
        raise InvalidOption(other)
    if question.instant and ask is _search:
        raise InvalidOption("--instant is for metrics: add a stage such as | count_over_time()")
    print_notes(question.traceql)
    try:
        ask(client, question, as_json=as_json)
    except Refused as error:
        raise of_query(error, question.traceql) from None


def _other_command(text: str) -> str:
    """Name the command for what is no TraceQL: an id of a trace, a statement of SQL; empty for all else."""
    if _TRACE_ID.fullmatch(text.strip()):
        return f"that is the id of a trace: spanlake trace {text.strip()}"
    if _SQL.match(text):
        return "that is SQL, and spanlake query takes TraceQL, as in '{ status = error }': SQL is for spanlake sql"
    return ""


def _is_metrics(traceql: str) -> bool:
    """Return True for a metrics query; a query that cannot be parsed here is left to the server."""
    try:
        return parse(traceql).is_metrics
    except TraceQLError:
        return False


def _search(client: TempoApi, question: QueryRequest, *, as_json: bool) -> None:
    limits = {"limit": str(question.limit), "spss": str(question.spans_per_set)}
    body = client.get(_SEARCH, {"q": question.traceql, **question.when.params, **limits})
    found = parse_search(json.parse(body))
    if as_json:
        print_json(body)
    elif found.traces:
        show_traces(output(), found, question.limit)
    if not found.traces:
        reasons = [] if as_json else explain_nothing(client, question.traceql, question.when)
        raise nothing_found("\n".join([f"no trace matches {question.when}", *reasons]))


def _metrics(client: TempoApi, question: QueryRequest, *, as_json: bool) -> None:
    step = {"step": f"{question.step_seconds}s"} if question.step_seconds and not question.instant else {}
    path, show = (_INSTANT, show_values) if question.instant else (_METRICS, show_series)
    body = client.get(path, {"q": question.traceql, **question.when.params, **step})
    found = parse_series(json.parse(body))
    if as_json:
        print_json(body)
    elif found.series:
        show(output(), found, unit_of(question.traceql))
        for note in explain_nil(client, question.traceql, found.series, question.when):
            typer.echo(f"spanlake: {note}", err=True)
    if not found.series:
        reasons = [] if as_json else explain_nothing(client, question.traceql, question.when)
        raise nothing_found("\n".join([f"no time series {question.when}", *reasons]))
