"""The files of the write-ahead log: what is appended is read again, whatever happened to the end of a file."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.store.errors import StorageCorrupt, StorageUnavailable
from spanlake.store.write_ahead_log import Segment, WriteAheadLog
from tests.patches import patch_here

_WRITER = """
import os, sys
from pathlib import Path
from spanlake.store.write_ahead_log import WriteAheadLog
segment = WriteAheadLog(Path(sys.argv[1])).create()
segment.append([b"of another process"])
print("written", flush=True)
sys.stdin.read()
os._exit(9)
"""


def _left(log: WriteAheadLog, *records: bytes) -> Path:
    """The file of a process that has ended."""
    segment = log.create()
    if records:
        segment.append(records)
    segment.close()
    return segment.path


def _adopted(directory: Path) -> list[bytes]:
    return [record for segment in WriteAheadLog(directory).adopt() for record in segment.records()]


def test_appended_records_are_adopted_in_order(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path / "log")
    _left(log, b"a", b"", b"c" * 100_000)
    _left(log, b"d")
    assert _adopted(tmp_path / "log") == [b"a", b"", b"c" * 100_000, b"d"]


def test_own_files_are_not_adopted(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    log.create().append([b"a"])
    assert log.adopt() == []
    assert log.others() == []


@given(st.integers(0, 100), st.binary(max_size=20))
def test_torn_end_costs_only_the_torn_record(tmp_path_factory: pytest.TempPathFactory, cut: int, rest: bytes) -> None:
    directory = tmp_path_factory.mktemp("log")
    path = _left(WriteAheadLog(directory), b"first", b"s" * 100)
    os.truncate(path, path.stat().st_size - cut)
    with path.open("ab") as file:
        file.write(rest)
    assert _adopted(directory)[:1] == [b"first"]
    assert {*_adopted(directory)} <= {b"first", b"s" * 100}


def test_damaged_record_is_left_out(tmp_path: Path) -> None:
    path = _left(WriteAheadLog(tmp_path), b"first", b"second", b"third")
    path.write_bytes(path.read_bytes().replace(b"second", b"s\0cond"))
    assert _adopted(tmp_path) == [b"first", b"third"]


@pytest.mark.parametrize("size", [0, 1, 19])
def test_file_without_whole_header_holds_nothing(tmp_path: Path, size: int) -> None:
    os.truncate(_left(WriteAheadLog(tmp_path)), size)
    (segment,) = WriteAheadLog(tmp_path).adopt()
    assert list(segment.records()) == []
    segment.remove()
    assert list(tmp_path.iterdir()) == []


def test_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = _left(WriteAheadLog(tmp_path), b"a")
    content = bytearray(path.read_bytes())
    content[8] = 2
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match="not a log of this version"):
        WriteAheadLog(tmp_path).adopt()


def test_file_of_a_running_process_is_left_alone(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"written\n"
    log = WriteAheadLog(tmp_path)
    assert log.adopt() == []
    assert len(log.others()) == 1
    writer.communicate()
    assert _adopted(tmp_path) == [b"of another process"]


def test_failed_append_leaves_earlier_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = WriteAheadLog(tmp_path).create()
    segment.append([b"a"])

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patch_here(patched, os, "fdatasync", fail)
        with pytest.raises(StorageUnavailable, match="No space left"):
            segment.append([b"b"])
    segment.append([b"c"])
    assert list(segment.records()) == [b"a", b"c"]


def test_append_to_removed_file_fails(tmp_path: Path) -> None:
    segment: Segment = WriteAheadLog(tmp_path).create()
    segment.path.unlink()
    with pytest.raises(StorageUnavailable, match="removed"):
        segment.append([b"a"])
