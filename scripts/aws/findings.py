"""Checks the templates with checkov, and the CDK's stack with cdk-nag: ``python findings.py [checkov|cdk-nag]...``.

Findings that infra/findings.toml accepts, each with its reason, are left out. Ends with status 1 where others are
found, or where an accepted one is found no more.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = ROOT / "infra" / "findings.toml"
_LONGEST_RUN = 600

Finding = tuple[str, str]
"""Rule and resource."""


def accepted(text: str, tool: str) -> frozenset[Finding]:
    """Read the accepted findings of a tool; raises KeyError where one has no reason."""
    found = [one for one in tomllib.loads(text)["accepted"] if one["tool"] == tool and one["reason"]]
    return frozenset((one["rule"], resource) for one in found for resource in one["resources"])


def complaints(found: Iterable[Finding], allowed: Iterable[Finding]) -> list[str]:
    """Compare what was found with what is accepted, and say what differs."""
    found, allowed = set(found), set(allowed)
    new = [f"{rule}: {resource}" for rule, resource in sorted(found - allowed)]
    old = [f"{rule}: {resource} is accepted and was not found" for rule, resource in sorted(allowed - found)]
    return new + old


def checkov() -> Iterator[Finding]:
    """Run checkov on all templates, without its asking anybody anything."""
    programs = _environment("checkov")
    templates = [ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*/template.yaml"))]
    files = [argument for template in templates for argument in ("--file", str(template))]
    command = [
        str(programs / "checkov"),
        "--framework",
        "cloudformation",
        "--skip-download",
        "--output",
        "json",
        *files,
    ]
    report = _output(command, allowed=(0, 1))
    for failed in report["results"]["failed_checks"]:
        yield failed["check_id"], failed["resource"].rpartition(".")[2]


def cdk_nag() -> Iterator[Finding]:
    """Run cdk-nag on the CDK's stack with everything in it."""
    programs = _environment("cdk")
    found = _output([str(programs / "python"), "nag.py"], allowed=(0,), cwd=ROOT / "infra" / "cdk")
    return ((rule, construct) for rule, construct in found)


Tools: TypeAlias = Mapping[str, Callable[[], Iterator[Finding]]]
TOOLS: Tools = {"checkov": checkov, "cdk-nag": cdk_nag}


def _environment(name: str) -> Path:
    script = ROOT / "scripts" / name / "environment.sh"
    done = subprocess.run(  # noqa: S603  (a script of this repository)
        [str(script)], stdout=subprocess.PIPE, text=True, check=True, timeout=_LONGEST_RUN
    )
    return Path(done.stdout.strip()) / "bin"


def _output(command: list[str], allowed: tuple[int, ...], cwd: Path = ROOT) -> Any:
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603  (a program of the environment)
        command, capture_output=True, text=True, check=False, timeout=_LONGEST_RUN, cwd=cwd, env=variables
    )
    if done.returncode not in allowed:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main(names: list[str], tools: Tools = TOOLS) -> None:
    """Run the tools named, or all; raises SystemExit."""
    wrong = False
    for name in names or tools:
        for complaint in complaints(tools[name](), accepted(ACCEPTED.read_text(), name)):
            wrong = True
            print(f"{name}: {complaint}")
    if wrong:
        raise SystemExit(f"mend what was found, or accept it with a reason in {ACCEPTED.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
