"""docs/from-x-ray.md: the file for the Collector is well formed, ids are understood, prices are those worked out."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from bench.cost.deployment import DAYS, Load, xray

from spanlake.api.tempo.dependencies import trace_id_of
from spanlake.traceql import parse
from tests.documents import document, fenced, section

TEXT = document("docs/from-x-ray.md")
IDS = sorted(set(re.findall(r"\b1-[0-9a-f]{8}-[0-9a-f]{24}\b", TEXT)))


def test_ids_of_xray_are_understood() -> None:
    (spelled,) = IDS
    plain = spelled[2:].replace("-", "")
    assert plain in TEXT
    assert trace_id_of(spelled).hex() == plain
    assert parse(f'{{ trace:id = "{spelled}" }}') == parse(f'{{ trace:id = "{plain}" }}')


def test_the_collector_has_both_receivers_in_one_pipeline() -> None:
    (text,) = fenced(section(TEXT, "ECS, EKS and EC2"), "yaml")
    file: Any = yaml.safe_load(text)
    (pipeline,) = file["service"]["pipelines"].values()
    assert set(pipeline["receivers"]) == file["receivers"].keys() == {"otlp", "awsxray"}
    assert set(pipeline["exporters"]) == file["exporters"].keys()
    assert file["receivers"]["awsxray"] == {"endpoint": "0.0.0.0:2000", "transport": "udp"}
    assert file["exporters"]["otlphttp"]["endpoint"] == "${env:SPANLAKE_URL}"


def test_variables_are_given_once() -> None:
    (text,) = fenced(section(TEXT, "Lambda"), "sh")
    names = [line.partition("=")[0] for line in text.splitlines() if line]
    assert len(names) == len(set(names))
    assert all(name.startswith(("OTEL_", "AWS_LAMBDA_")) for name in names)


@pytest.mark.parametrize("millions", [1, 10, 100])
def test_prices_of_xray_are_those_that_are_worked_out(millions: int) -> None:
    (row,) = re.findall(rf"^\| {millions} \|.*$", section(TEXT, "What both cost"), re.MULTILINE)
    bill = xray(Load(millions * 1e6 / DAYS, 512))
    figures = [float(cell) for cell in row.split("|")[4:6]]
    assert figures == pytest.approx([bill.dollars, bill.dollars_charged], abs=0.006)
