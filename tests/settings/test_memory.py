"""Defaults follow the memory there is; what an operator has set is kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from spanlake.settings.memory import fitted, memory_bytes
from spanlake.settings.model import Config, IngestLimits, QueryLimits
from spanlake.settings.units import MIB


def test_default_limits_fit_into_small_memory() -> None:
    found = fitted(Config(), 512 * MIB)
    assert (found.ingest.flight_bytes, found.ingest.body_bytes) == (512 * MIB // 10, 512 * MIB // 20)
    assert found.query.memory_bytes == 512 * MIB // 6


def test_default_limits_are_kept_in_usual_memory() -> None:
    assert fitted(Config(), 8192 * MIB) == Config()


def test_limits_that_were_set_are_kept() -> None:
    told = Config(
        ingest=replace(IngestLimits(), body_bytes=30 * MIB, flight_bytes=400 * MIB),
        query=QueryLimits(memory_bytes=4096 * MIB),
    )
    assert fitted(told, 512 * MIB) == told
    large = Config(ingest=replace(IngestLimits(), body_bytes=100 * MIB))
    assert fitted(large, 512 * MIB).ingest == replace(IngestLimits(), body_bytes=100 * MIB, flight_bytes=100 * MIB)


@pytest.mark.parametrize(
    ("own", "file", "text", "expected"),
    [
        ("0::/app\n", "app/memory.max", "536870912", 512 * MIB),
        ("0::/app\n", "memory.max", "1073741824", 1024 * MIB),
        ("0::/app\n", "app/memory.max", "max", 2048 * MIB),
        ("9:memory:/app\n0::/\n", "memory/app/memory.limit_in_bytes", "268435456", 256 * MIB),
        ("9:cpu:/app\n", "app/memory.max", "1", 2048 * MIB),
    ],
)
def test_memory_is_that_of_the_tightest_group(tmp_path: Path, own: str, file: str, text: str, expected: int) -> None:
    limit = tmp_path / "groups" / file
    limit.parent.mkdir(parents=True)
    limit.write_text(text)
    (tmp_path / "own").write_text(own)
    (tmp_path / "meminfo").write_text("MemTotal:        2097152 kB\nMemFree: 5 kB\n")
    assert memory_bytes(tmp_path / "groups", tmp_path / "own", tmp_path / "meminfo") == expected


def test_memory_of_unknown_system_is_usual(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path / "x", tmp_path / "y", tmp_path / "z") == 8192 * MIB
