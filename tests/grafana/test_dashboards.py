"""Dashboards are what Grafana takes for one, whatever they show."""

import itertools
import json
import re

import pytest

from tests.grafana.dashboards import AWS, GRAFANA, SERVER, TRACES, dashboard, panels, targets, variables

_WIDTH = 24
_OF_GRAFANA = {"__rate_interval", "__interval", "__range"}

each_dashboard = pytest.mark.parametrize("name", [AWS, SERVER, TRACES])


def test_every_file_is_tested() -> None:
    assert sorted(path.stem for path in (GRAFANA / "dashboards").iterdir()) == [AWS, SERVER, TRACES]


@each_dashboard
def test_it_is_known_by_its_file_and_ids_are_its_own(name: str) -> None:
    shown = dashboard(name)
    ids = [panel["id"] for panel in shown["panels"]]
    titles = [panel["title"] for panel in panels(shown)]
    assert shown["uid"] == name
    assert "id" not in shown  # the id of a Grafana that it was exported from
    assert len(set(ids)) == len(ids)
    assert all(titles)


@each_dashboard
def test_no_panel_lies_over_another_or_past_the_edge(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(name)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= _WIDTH, panel["title"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = set(itertools.product(columns, rows))
        assert not cells & taken, panel["title"]
        taken |= cells


@each_dashboard
def test_every_question_goes_to_the_data_source_that_is_chosen(name: str) -> None:
    shown = dashboard(name)
    kind = variables(shown)["datasource"]["query"]
    asking = [*panels(shown), *targets(shown), *(each for each in variables(shown).values() if each["type"] == "query")]
    assert {json.dumps(each["datasource"]) for each in asking} == {json.dumps({"type": kind, "uid": "${datasource}"})}
    for panel in panels(shown):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0, panel["title"]


@each_dashboard
def test_every_variable_that_is_used_is_there_and_the_other_way_round(name: str) -> None:
    shown = dashboard(name)
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(shown))) - _OF_GRAFANA - {"__all"}
    assert used == set(variables(shown))
