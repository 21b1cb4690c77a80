"""Prints the findings of cdk-nag's rules of AWS Solutions as JSON; ``scripts/aws/findings.py`` runs it."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from spanlake_cdk.context import read
from spanlake_cdk.stack import Spanlake

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = {
    "Athena": "true",
    "AlarmEmail": "traces@example.com",
    "RestApi": "true",
    "Rollout": "Canary10Percent5Minutes",
    "EdgeImage": f"123456789012.dkr.ecr.us-east-1.amazonaws.com/spanlake-edge@sha256:{64 * '0'}",
    "EdgeScheme": "internet-facing",
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
}
"""Settings with which all that there can be is there."""


def main() -> None:
    """Print a list of pairs of rule and construct."""
    with tempfile.TemporaryDirectory() as folder:
        for layer in ("common", "query"):
            Path(folder, "layers", layer).mkdir(parents=True)
        out = Path(folder, "out")
        app = App(outdir=str(out))
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        layers = Path(folder, "layers")
        Spanlake(app, "spanlake", read(EVERYTHING).settings, functions=ROOT / "functions", layers=layers)
        with suppress(RuntimeError):  # which is how the CDK says that there are findings
            app.synth()
        report = json.loads((out / "validation-report.json").read_text())
    json.dump(sorted(_findings(report)), sys.stdout)


def _findings(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            rule = violation["ruleName"].partition("[")[0]
            for construct in violation["violatingConstructs"]:
                parts = [part for part in construct["constructPath"].split("/") if part not in {"Resource", "Template"}]
                yield rule, "/".join(parts[1:])


if __name__ == "__main__":
    main()
