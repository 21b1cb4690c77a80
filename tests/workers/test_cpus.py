"""Tests the default number of workers."""

import os
from pathlib import Path

import pytest

from spanlake.workers.cpus import cpus

THERE = len(os.sched_getaffinity(0))


def allowed(tmp_path: Path, own: str, files: dict[str, str]) -> int:
    """Returns the number of processors found in a tree of control groups."""
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    (tmp_path / "own").write_text(own)
    return cpus(tmp_path / "groups", tmp_path / "own")


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        pytest.param("0::/\n", {}, THERE, id="no groups"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, THERE, id="no limit"),
        pytest.param("0::/\n", {"cpu.max": "100000 100000\n"}, 1, id="one"),
        pytest.param("0::/\n", {"cpu.max": "25000 100000\n"}, 1, id="a quarter"),
        pytest.param("0::/\n", {"cpu.max": "199999 100000\n"}, min(THERE, 1), id="not quite two"),
        pytest.param("0::/\n", {"cpu.max": "9900000 100000\n"}, THERE, id="more than there are"),
        pytest.param("0::/a/b\n", {"a/cpu.max": "50000 50000", "a/b/cpu.max": "max 50000"}, 1, id="of a parent"),
        pytest.param("0::/of/the/machine\n", {"cpu.max": "10000 10000"}, 1, id="in a container"),
        pytest.param(
            "3:cpuset:/\n1:cpu,cpuacct:/x\n0::/\n",
            {"cpu/x/cpu.cfs_quota_us": "100000", "cpu/x/cpu.cfs_period_us": "100000"},
            1,
            id="version 1",
        ),
        pytest.param(
            "1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, THERE, id="no limit in 1"
        ),
        pytest.param("0::/\n", {"cpu.max": "rubbish"}, THERE, id="rubbish"),
    ],
)
def test_cpus_reads_limits_of_control_groups(tmp_path: Path, own: str, files: dict[str, str], expected: int) -> None:
    assert allowed(tmp_path, own, files) == expected


def test_cpus_of_this_machine_is_within_bounds() -> None:
    assert 1 <= cpus() <= THERE
