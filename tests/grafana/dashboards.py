"""The dashboards in infra/grafana, as far as tests look at them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "infra" / "grafana"
AWS, SERVER, TRACES = "spanlake-aws", "spanlake-server", "spanlake-traces"

Dashboard = dict[str, Any]


def dashboard(name: str) -> Dashboard:
    loaded: Dashboard = json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text())
    return loaded


def panels(of: Dashboard) -> Iterator[dict[str, Any]]:
    """All but rows."""
    return (panel for panel in of["panels"] if panel["type"] != "row")


def targets(of: Dashboard) -> Iterator[dict[str, Any]]:
    """Yields the targets of all panels."""
    return (target for panel in panels(of) for target in panel["targets"])


def variables(of: Dashboard) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in of["templating"]["list"]}
