"""The command ``spanlake services``."""

import json as plain_json
from dataclasses import asdict, dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.series import Series, parse_series
from spanlake.cli.client.times import TimeRange
from spanlake.cli.errors import nothing_found
from spanlake.cli.explain import explain_no_spans
from spanlake.cli.render.numbers import duration, number
from spanlake.cli.render.terminal import NARROW, output
from spanlake.cli.render.text import GAP, label, show, show_items
from spanlake.spans.timestamps import SECOND_NS

_INSTANT = "/api/metrics/query"
_BY = "resource.service.name"
_SPANS = f"{{}} | count_over_time() by ({_BY})"
_ERRORS = f"{{ status = error }} | count_over_time() by ({_BY})"
_QUANTILES = (0.5, 0.95, 0.99)
_DURATIONS = f"{{}} | quantile_over_time(duration, {', '.join(map(str, _QUANTILES))}) by ({_BY})"


@dataclass(frozen=True, slots=True)
class Service:
    """A service in a time range; durations are seconds, None where a server does not tell them."""

    name: str
    spans: int
    errors: int
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


def run(api: TempoApi, when: TimeRange, *, as_json: bool) -> None:
    """Print the services, the busiest first; raises CommandError, and typer.Exit when there are none."""
    found = _services(api, when)
    if as_json:
        for service in found:
            typer.echo(plain_json.dumps(asdict(service)))
    elif found:
        _show(output(), found)
    if not found:
        reasons = [] if as_json else explain_no_spans(api, when)
        raise nothing_found("\n".join([f"no services {when}", *reasons]))


def _services(api: TempoApi, when: TimeRange) -> list[Service]:
    spans, errors = (_by_service(_ask(api, query, when)) for query in (_SPANS, _ERRORS))
    durations = {(_name(series), series_quantile(series)): _last(series) for series in _ask(api, _DURATIONS, when)}
    found = [
        Service(name, int(count), int(errors.get(name, 0)), *(durations.get((name, each)) for each in _QUANTILES))
        for name, count in spans.items()
        if count
    ]
    return sorted(found, key=lambda service: (-service.spans, service.name))


def _ask(api: TempoApi, query: str, when: TimeRange) -> tuple[Series, ...]:
    return parse_series(json.parse(api.get(_INSTANT, {"q": query, **when.params}))).series


def _by_service(found: tuple[Series, ...]) -> dict[str, float]:
    return {_name(series): _last(series) or 0 for series in found}


def _name(series: Series) -> str:
    return next((label(value) for key, value in series.labels if key == _BY and value is not None), "")


def series_quantile(series: Series) -> float:
    """Return the quantile that a series is about, its label p; 0 without one."""
    value = next((value for key, value in series.labels if key == "p"), 0.0)
    return float(value) if isinstance(value, int | float | str) else 0.0


def _last(series: Series) -> float | None:
    return series.values[-1] if series.values else None


def _show(console: Console, services: list[Service]) -> None:
    if console.width >= NARROW:
        console.print(_table(services))
        return
    for service in services:
        name, spans, errors, _, p50, p95, p99 = _row(service)
        show(console, Text(str(name), "cyan"))
        facts = (f"{spans} spans", f"{errors} errors", f"p50 {p50}", f"p95 {p95}", f"p99 {p99}")
        show_items(console, [Text(fact) for fact in facts], GAP)


def _table(services: list[Service]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Service", overflow="fold", style="cyan")
    for heading in ("Spans", "Errors", "Errors %", "p50", "p95", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for service in services:
        table.add_row(*_row(service))
    return table


def _row(service: Service) -> list[Any]:
    share = f"{number(round(100 * service.errors / service.spans, 1))}%" if service.errors else ""
    errors = Text(f"{service.errors:,}", "red" if service.errors else "")
    times = (service.p50_seconds, service.p95_seconds, service.p99_seconds)
    lengths = ("-" if each is None else duration(round(each * SECOND_NS)) for each in times)
    return [Text(service.name or "?"), f"{service.spans:,}", errors, share, *lengths]
