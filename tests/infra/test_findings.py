"""scripts/aws/findings.py: findings that nobody has accepted end it, and accepted ones that are gone do, too."""

import importlib.util
import tomllib
from typing import Any

import pytest

from tests.infra.template import ROOT

SCRIPT = ROOT / "scripts" / "aws" / "findings.py"
ACCEPTED = tomllib.loads((ROOT / "infra" / "findings.toml").read_text())["accepted"]


@pytest.fixture(scope="module")
def findings() -> Any:
    spec = importlib.util.spec_from_file_location("findings", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_new_finding_and_one_that_is_gone_are_told(findings: Any) -> None:
    told = findings.complaints([("A", "one"), ("B", "two")], [("A", "one"), ("C", "three")])
    assert told == ["B: two", "C: three is accepted and was not found"]
    assert findings.complaints([("A", "one")], [("A", "one")]) == []


def test_finding_without_a_reason_is_not_accepted(findings: Any) -> None:
    text = '[[accepted]]\ntool = "checkov"\nrule = "A"\nresources = ["one"]\nreason = ""\n'
    assert findings.accepted(text, "checkov") == frozenset()
    assert findings.accepted(text.replace('""', '"since"'), "checkov") == {("A", "one")}


def test_script_ends_with_what_to_do(findings: Any) -> None:
    with pytest.raises(SystemExit, match=r"or accept it with a reason in infra/findings\.toml"):
        findings.main(["checkov"], {"checkov": lambda: iter([("A", "one")])})


def test_accepted_findings_have_reasons_of_their_own() -> None:
    assert {one["tool"] for one in ACCEPTED} == {"checkov", "cdk-nag"}
    for one in ACCEPTED:
        assert one.keys() == {"tool", "rule", "resources", "reason"}
        assert one["resources"]
        assert len(one["reason"]) > 10
