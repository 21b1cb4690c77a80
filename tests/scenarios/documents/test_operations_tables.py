"""The tables of docs/operations.md name every metric, every limit, and every log line at warning or above: no other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import spanlake
from spanlake.ingest.misdirected import Notice
from spanlake.settings.model import IngestLimits, QueryLimits
from spanlake.settings.setting import settings_of
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.telemetry.prometheus import Metrics, StoreTotals
from tests.documents import document, section
from tests.server_process import SpanlakeServer

DOCUMENT = document("docs/operations.md")
SOURCES = sorted(Path(next(iter(spanlake.__path__))).rglob("*.py"))
LEVELS = {"warning", "error", "exception", "critical"}
OF_LIBRARIES = ("process_", "python_")


def named(title: str) -> set[str]:
    """The names in the first column of the tables of a section."""
    rows = re.findall(r"^\|([^|]*)\|", section(DOCUMENT, title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.partition("` by ")[0] + "`")}


def families(exposed: str) -> set[str]:
    """The names of metrics in Prometheus' text format, but for those that its library has in every process."""
    found = re.findall(r"^# TYPE (\S+) ", exposed, re.MULTILINE)
    return {name for name in found if not name.startswith(OF_LIBRARIES)}


def declared_metrics() -> set[str]:
    """The names of all metrics of a process."""
    metrics = Metrics()
    metrics.observe_dropped(lambda: {"jaeger-compact": 0})
    metrics.observe_store(lambda: StoreTotals(0, 0, 0))
    return {name for expose in (metrics.expose, metrics.expose_usage) for name in families(expose()[0].decode())}


def events(source: Path) -> Iterator[str]:
    """The events of the calls of loggers in a file, at warning or above."""
    tree = ast.parse(source.read_text())
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("_log"), name), [ast.Constant(str(event)), *_]) if name in LEVELS:
                yield event
            case ast.Call(ast.Attribute(ast.Name("_log"), name), [ast.Name(variable), *_]) if name in LEVELS:
                yield from Notice if variable == "event" else [str(constants[variable])]
            case ast.Call(ast.Attribute(ast.Name("_log"), name)) if name in LEVELS:
                raise AssertionError(f"{source}: the event in line {node.lineno} is not told by the code")


def test_every_metric_is_on_the_page() -> None:
    assert named("Metrics") == declared_metrics()


def test_a_server_exposes_the_metrics_of_the_page(server: SpanlakeServer) -> None:
    exposed = {name for path in ("/metrics", "/usage_metrics") for name in families(server.get(path).body.decode())}
    assert exposed == named("Metrics")


def test_every_log_line_at_warning_or_above_is_on_the_page() -> None:
    assert named("Log lines") == {str(event) for source in SOURCES for event in events(source)}


def test_every_limit_of_requests_and_tenants_is_on_the_page() -> None:
    declared = {setting.option for area in (IngestLimits, QueryLimits) for setting in settings_of(area)}
    of_tenants = {limit.name.replace("_", "-") for limit in fields(TenantLimits)}
    assert named("Limits") == declared | of_tenants
