"""``spanlake status`` and ``spanlake compact``, on a data directory and with a server."""

import json
from pathlib import Path

import pytest

from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from tests.cli.conftest import Run
from tests.cli.tempo import Tempo
from tests.conftest import StartServer
from tests.payloads import export_request
from tests.store.tables import HOUR, NOON, span_table

LEVELS = [{"level": 0, "blocks": 4, "spans": 200, "bytes": 81_000}, {"level": 2, "blocks": 1, "spans": 7, "bytes": 5}]
DAY = {"tenant": "shop", "date": "2026-11-22", "blocks": 5, "spans": 12_345, "bytes": 81_005, "levels": LEVELS}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two blocks of one day and one of the next."""
    objects, index = LocalObjects(tmp_path / "data"), SqliteIndex(tmp_path / "data" / "index.sqlite")
    for number, start in enumerate((NOON, NOON + 1, NOON + 24 * HOUR)):
        write(objects, index, "shop", span_table([{"start_time_unix_nano": start}]), bytes([number]))
    index.close()
    return tmp_path / "data"


def cells(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines() if line.strip()]


def test_status_reports_running_server(run: Run, tempo: Tempo) -> None:
    tempo.answers({"store": [DAY]})
    result = run("status")
    assert result.exit_code == 0
    assert tempo.last.path == "/status"
    assert cells(result.stdout)[-1] == ["shop", "2026-11-22", "5", "12,345", "81", "kB", "0:", "4,", "2:", "1"]


def test_status_sums_several_days(run: Run, tempo: Tempo) -> None:
    tempo.answers({"store": [DAY, DAY]})
    assert cells(run("status").stdout)[-1] == ["All", "10", "24,690", "162", "kB"]


def test_status_reports_directory(run: Run, tempo: Tempo, data: Path) -> None:
    result = run("status", "--data", str(data))
    assert [row[:4] for row in cells(result.stdout)[2:4]] == [
        ["shop", "2026-11-22", "2", "2"],
        ["shop", "2026-11-23", "1", "1"],
    ]
    assert tempo.asked == []


def test_status_json_prints_totals(run: Run, tempo: Tempo, data: Path) -> None:
    tempo.answers({"store": [DAY]})
    assert json.loads(run("status", "--json").stdout) == {"store": [DAY]}
    told = json.loads(run("status", "--json", "--data", str(data)).stdout)
    assert [(day["date"], day["blocks"]) for day in told["store"]] == [("2026-11-22", 2), ("2026-11-23", 1)]


def test_status_reports_empty_store(run: Run, tempo: Tempo) -> None:
    tempo.answers({"store": []})
    result = run("status")
    assert result.exit_code == 1
    assert "holds no spans" in result.stderr


@pytest.mark.parametrize(
    "answer", [b"<html>", [], {"store": 1}, {"store": [{"tenant": 1}]}, {"store": [{"blocks": -1}]}]
)
def test_status_rejects_answer_of_another_server(run: Run, tempo: Tempo, answer: object) -> None:
    tempo.answers(answer)
    result = run("status")
    assert result.exit_code == 2
    assert "the answer is not" in result.stderr


@pytest.mark.parametrize("command", ["status", "compact"])
def test_commands_report_directory_without_data(run: Run, tmp_path: Path, command: str) -> None:
    result = run(command, "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "holds no index.sqlite" in result.stderr
    assert not list(tmp_path.iterdir())


def test_compact_merges_blocks(run: Run, data: Path) -> None:
    result = run("compact", "--data", str(data))
    assert result.exit_code == 0
    assert result.stdout == "3 blocks merged in 2 merges\n"
    told = json.loads(run("status", "--json", "--data", str(data)).stdout)
    assert [day["levels"][0]["level"] for day in told["store"]] == [1, 1]
    assert run("compact", "--data", str(data)).stdout == "there was nothing to merge\n"


def test_compact_runs_beside_a_server(run: Run, start_server: StartServer) -> None:
    server = start_server()
    for name in ("one", "two"):
        assert server.post_traces(export_request(name).SerializeToString()).status == 200
    assert run("compact", "--data", str(server.data)).exit_code == 0
    result = run("status", "--url", server.tempo)
    assert cells(result.stdout)[-1][2:4] == ["1", "2"]
    trace = server.get(f"/api/traces/{(b't' * 16).hex()}").body
    assert trace.count(b'"name":"one"') == trace.count(b'"name":"two"') == 1


def test_compact_names_blocks_it_cannot_read(run: Run, data: Path) -> None:
    damaged = next((data / "spans").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:500])
    result = run("compact", "--data", str(data))
    assert result.exit_code == 2
    assert damaged.stem in result.stderr
    assert "Traceback" not in result.stderr


def test_verify_names_damaged_blocks_and_sets_them_aside(run: Run, data: Path) -> None:
    assert run("verify", "--data", str(data)).exit_code == 0
    damaged = next((data / "spans").rglob("*.parquet"))
    content = bytearray(damaged.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    result = run("verify", "--data", str(data))
    assert (result.exit_code, damaged.stem in result.stderr) == (2, True)
    assert "3 blocks read, 1 damaged or missing" in result.stdout
    assert run("verify", "--quarantine", "--data", str(data)).exit_code == 2
    assert next((data / "quarantine").rglob("*.parquet")).stem == damaged.stem
    assert run("verify", "--data", str(data)).exit_code == 0


def test_reindex_rebuilds_a_lost_index(run: Run, data: Path) -> None:
    before = json.loads(run("status", "--json", "--data", str(data)).stdout)
    for file in data.glob("index.sqlite*"):
        file.unlink()
    assert "3 blocks would be added" in run("reindex", "--dry-run", "--data", str(data)).stdout
    result = run("reindex", "--data", str(data))
    assert (result.exit_code, "3 blocks added to the index" in result.stdout) == (0, True)
    assert json.loads(run("status", "--json", "--data", str(data)).stdout) == before
    assert "0 blocks added to the index, 3 in it already" in run("reindex", "--data", str(data)).stdout


def test_commands_refuse_an_empty_index_over_blocks(run: Run, data: Path) -> None:
    for file in data.glob("index.sqlite*"):
        file.unlink()
    (data / "index.sqlite").touch()
    result = run("compact", "--data", str(data))
    assert result.exit_code == 2
    assert f"spanlake reindex --data {data}" in result.stderr
