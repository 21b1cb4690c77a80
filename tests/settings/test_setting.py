"""Tests the declarations of settings, and how they are read."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spanlake.settings import kinds
from spanlake.settings.kinds import Kind
from spanlake.settings.model import (
    ClientSettings,
    Config,
    EdgeConfig,
    FunctionSettings,
)
from spanlake.settings.setting import Program, from_environment, settings_of, values_of
from spanlake.settings.units import InvalidSetting

AREAS: tuple[type[Any], ...] = (EdgeConfig, FunctionSettings, ClientSettings)
DECLARED = [declared for area in AREAS for declared in settings_of(area)]


def test_setting_names_are_unique() -> None:
    assert len({declared.name for declared in DECLARED}) == len(DECLARED)


def test_no_setting_is_read_from_a_variable_that_kubernetes_sets() -> None:
    """In each pod beside a Service named spanlake SPANLAKE_PORT is an address, as are some with the name of a port."""
    of_service = re.compile(r"SPANLAKE_(PORT(_\d+_(TCP|UDP)\w*)?|SERVICE_(HOST|PORT)\w*)")
    declared = [*DECLARED, *settings_of(Config)]
    assert [each.variable for each in declared if of_service.fullmatch(each.variable)] == []
    assert "SPANLAKE_PORTS" in {each.variable for each in declared}


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_setting_is_described_and_taken_by_a_program(declared: Any) -> None:
    assert declared.help.endswith(".")
    assert declared.programs
    assert not declared.parameter or declared.programs & Program.FUNCTIONS


def test_from_environment_reads_nested_areas() -> None:
    variables = {"SPANLAKE_QUERY_TIMEOUT": "2.5", "SPANLAKE_DATA": "/lake", "SPANLAKE_RETENTION": "2d"}
    config = from_environment(Config, variables, Program.SERVE)
    assert (config.query.seconds, config.data, config.retention) == (2.5, Path("/lake"), timedelta(days=2))


def test_from_environment_without_variables_gives_the_defaults() -> None:
    assert from_environment(Config, {"SPANLAKE_QUERY_TIMEOUT": ""}, Program.SERVE) == Config()


def test_from_environment_takes_the_defaults_of_the_program() -> None:
    assert from_environment(EdgeConfig, {}, Program.EDGE).server.drain_seconds == 25
    assert from_environment(Config, {}, Program.SERVE).drain_seconds == 30


def test_from_environment_ignores_variables_of_other_programs() -> None:
    assert from_environment(Config, {"SPANLAKE_QUERY_SERIES": "1"}, Program.EDGE) == Config(drain_seconds=25)


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("SPANLAKE_QUERY_TIMEOUT", "soon", "'soon' is not a number, as in 2.5"),
        ("SPANLAKE_QUERY_TIMEOUT", "nan", "'nan' is not a number, as in 2.5"),
        ("SPANLAKE_QUERY_TIMEOUT", "0", "'0' is too little: it must be greater than or equal to 0.1"),
        ("SPANLAKE_QUERY_SERIES", "-5", "'-5' is too little: it must be greater than or equal to 1"),
        ("SPANLAKE_QUERY_SERIES", "1e9", "'1e9' is not a whole number, as in 100"),
        ("SPANLAKE_QUERY_SERIES", "1" * 20, f"'{'1' * 20}' is too much: it has 20 digits (limit: 18)"),
        ("SPANLAKE_QUERY_TIMEOUT", "1" * 20, f"'{'1' * 20}' is too much: it has 20 digits (limit: 18)"),
        ("SPANLAKE_PORT_OFFSET", "one", "'one' is not a whole number, as in 100"),
        ("SPANLAKE_QUERY_MEMORY", "0", "'0' allows nothing"),
        ("SPANLAKE_RETENTION", "1y", "'1y' is not an age"),
        ("SPANLAKE_COMPACTION", "maybe", "'maybe' is neither true nor false"),
        ("SPANLAKE_GARBAGE_SHARE", "2", "'2' is not a share"),
        ("SPANLAKE_CORS_ORIGINS", "shop", "'shop' is not an origin"),
    ],
)
def test_from_environment_names_the_variable_the_value_and_the_allowed(variable: str, text: str, allowed: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        from_environment(Config, {variable: text}, Program.SERVE)
    assert str(refused.value).startswith(f"{variable}: {allowed}")


def test_values_of_leaves_out_settings_of_other_programs() -> None:
    served, asked = values_of(Config(), Program.SERVE), values_of(Config(), Program.QUERY)
    assert (served["query"]["seconds"], served["listen"]) == (30.0, "127.0.0.1")
    assert "athena" not in served
    assert asked["athena"]["table"] == ""
    assert "listen" not in asked


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.count(), "17", 17),
        (kinds.seconds(), " 2.5 ", 2.5),
        (kinds.MILLISECONDS, "10", 0.01),
        (kinds.TRUTH, "TRUE", True),
        (kinds.TRUTH, "0", False),
        (kinds.TABLE, "lake.spans", "lake.spans"),
        (kinds.TABLE, "", ""),
    ],
)
def test_kind_reads_a_text(kind: Kind[Any], text: str, value: object) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize("text", ["lake", "lake.spans.more", "Lake.spans", "lake.`spans`"])
def test_table_kind_rejects_what_names_no_table(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"write database\.table"):
        kinds.TABLE.parse(text)
