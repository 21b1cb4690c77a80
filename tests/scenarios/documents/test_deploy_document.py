"""docs/deploy-aws.md names what there is: parameters and outputs of the template, make's targets, files, messages."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from spanlake.api.ingest.errors import BodyTooLarge
from spanlake.aws.http import _refusal
from tests.documents import commands, document, section
from tests.grafana.test_provisioning import ENVIRONMENT

ROOT = Path(__file__).parents[3]
TEXT = document("docs/deploy-aws.md")
NAMED = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]+)+)(?:=[^`]*)?`", TEXT)) | set(
    re.findall(r"\$\(output (\w+)\)", "\n".join(commands(TEXT)))
)
"""Names in the document that are written as the template writes names."""
OF_AWS = {"PublishedVersions", "RetainExceptOnCreate", "UpdateReplacePolicy"}
"""Words of Lambda and CloudFormation."""
_RESOURCE = re.compile(r"^  (\w+):\n    Type: AWS::CloudWatch::Alarm$", re.MULTILINE)
ALARMS = {name for path in (ROOT / "infra").glob("*/template.yaml") for name in _RESOURCE.findall(path.read_text())}


@cache
def template() -> Any:
    path = ROOT / "template.yaml"
    if not path.is_file():
        pytest.skip("there is no template.yaml yet")
    from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

    return load(str(path))


def test_its_names_are_parameters_and_outputs() -> None:
    known = {*template()["Parameters"], *template()["Outputs"]}
    assert not NAMED - OF_AWS - ALARMS - known


def test_every_alarm_is_in_its_runbook() -> None:
    rows = [line for line in section(TEXT, "Alarms, and what to do").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(ALARMS) > 30
    assert named == ALARMS


def test_every_output_is_in_it() -> None:
    assert set(template()["Outputs"]) <= NAMED


def test_defaults_are_those_of_the_template() -> None:
    stated = re.findall(r"`([A-Z]\w+)` \((\w+)\)", TEXT)
    assert stated
    for name, value in stated:
        assert str(template()["Parameters"][name]["Default"]) == value, name


def test_values_are_given_to_parameters() -> None:
    given = re.findall(r"--parameter-overrides (\w+)=", TEXT)
    assert given
    assert set(given) <= set(template()["Parameters"])


def test_what_make_is_asked_for() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {name for line in commands(TEXT) for name in re.findall(r"\bmake (\w+)", line)}
    assert asked
    assert asked - {"breakfast"} <= targets


def test_grafana_gets_all_variables_that_its_files_want() -> None:
    (line,) = (line for line in commands(section(TEXT, "Grafana")) if "grafana/grafana" in line)
    assert set(re.findall(r"-e (\w+)", line)) >= set(ENVIRONMENT)


def test_commands_are_for_a_shell_that_stops_at_errors() -> None:
    """Whatever a command reads from its environment was set by one before it, or is to be there at first."""
    known = {"AWS_REGION", "PWD"}
    for line in commands(TEXT):
        known |= set(re.findall(r"\b([A-Z_]+)=", line))
        assert set(re.findall(r"\$\{?([A-Z_]+)", line)) <= known, line


@pytest.mark.parametrize(
    "message",
    [
        str(BodyTooLarge(64)).replace("64", "N"),
        bytes(_refusal("uncompressed", ", or send Accept-Encoding: gzip").body).decode().strip(),
    ],
)
def test_messages_are_quoted_as_they_are(message: str) -> None:
    assert message in section(TEXT, "What is too large")
