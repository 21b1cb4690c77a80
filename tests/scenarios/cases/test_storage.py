"""Storage on an operator's bad day: scripts of tests/data/cases/hardening, each with a server of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud import prepared
from tests.scenarios.cases.scripts import FOLDER, SECONDS
from tests.server_process import SPANLAKE, free_offset

_CASES = (
    "01_index_lost",
    "07a_block_cut_short",
    "07b_block_bytes_flipped",
    "07c_block_missing",
    "07d_compact_damaged",
    "08a_index_page_damaged",
    "08b_index_deleted_running",
    "13_disk_full_at_start",
    "f04_deleted_and_sent_again",
    "h01_spans_on_another_disk",
    "h03_many_tenants",
    "h04_newer_block_format",
    "h05_clock_a_year_ahead",
    "h07_temporary_folder_removed",
    "h12_index_log_removed",
)
_OF_S3 = ("01b_second_index_on_bucket", "h10_credentials_refused")
_NOT_SHOWN = 2  # exit status on a machine that lacks what the script needs


def run_case(name: str) -> None:
    """Runs a script; fails with what it prints unless it exits with 0, skips the test when it cannot show anything."""
    path = Path(FOLDER, "hardening", f"{name}.py")
    command = [sys.executable, str(path), "--spanlake", SPANLAKE[0], "--port-offset", str(free_offset())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode == _NOT_SHOWN:
        pytest.skip(done.stdout)
    assert done.returncode == 0, f"{path.name} exits with {done.returncode}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", _CASES)
def test_storage_case(name: str) -> None:
    run_case(name)


@pytest.mark.parametrize("name", _OF_S3)
def test_storage_case_of_s3(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSITYGW", str(prepared() / "versitygw-1.8.0"))
    run_case(name)
