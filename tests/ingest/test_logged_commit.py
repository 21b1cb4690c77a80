"""The commit of small requests: durable in the log when acknowledged, in blocks when a reader asks."""

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from spanlake.ingest.log_recovery import log_destination, store_logged
from spanlake.ingest.log_segments import LogFiles, LogPolicy
from spanlake.ingest.logged_commit import LARGEST_BODY, LoggedCommit
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.request import Receipt, Request
from spanlake.ingest.request_log import RequestLog
from spanlake.ingest.service import LogDestination, request_log
from spanlake.receivers import otlp
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.disk import Reserve
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.settled import settled
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.telemetry.interface import Uncounted
from spanlake.telemetry.prometheus import Metrics
from tests.payloads import export_request

LONG_SEGMENTS = LogPolicy(segment_seconds=60.0)

_TRACE = b"t" * 16


class Memory:
    """A destination that keeps names of spans, and fails while it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.hashes: list[bytes] = []
        self.directly: list[str] = []
        self.failure: Callable[[], Exception | None] = lambda: None

    def write(self, _: str, table: pa.Table, content_hash: bytes, __: int) -> Sequence[Block]:
        """Keep spans that were logged."""
        if (failure := self.failure()) is not None:
            raise failure
        self.hashes.append(content_hash)
        self.names += map(str, table["name"].to_pylist())
        return []

    def write_directly(self, _: str, table: pa.Table, __: bytes) -> Sequence[Block]:
        """Keep spans that were not logged."""
        self.directly += map(str, table["name"].to_pylist())
        return []


def _body(*names: str, filler: int = 0) -> Request:
    return Request.of(export_request(*names, filler=filler).SerializeToString())


@contextmanager
def _commit(
    data: Path,
    to: Memory,
    unready_reason: Callable[[], str | None] = lambda: None,
    *,
    policy: LogPolicy = LONG_SEGMENTS,
) -> Iterator[tuple[LoggedCommit, RequestLog]]:
    log = request_log(LogDestination(LogFiles.of(data), to.write, unready_reason, policy), Metrics())
    log.start()
    try:
        yield _logged(log, to, unready_reason), log
    finally:
        log.close()


def _logged(log: RequestLog, to: Memory, unready_reason: Callable[[], str | None] = lambda: None) -> LoggedCommit:
    return LoggedCommit(log, Pipeline(otlp.read, to.write_directly, Uncounted()), Metrics(), unready_reason)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    index = SqliteIndex(tmp_path / "index.sqlite")
    yield index
    index.close()


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_acknowledged_spans_are_stored_within_a_second(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to, policy=LogPolicy()) as (commit, _log):
        assert commit("t", [_body("a", "b"), _body("c")]) == [Receipt(2), Receipt(1)]
        _wait_for(lambda: len(to.names) == 3)
        _wait_for(lambda: not list(tmp_path.glob("log/*.log")))


def test_reader_waits_for_what_is_acknowledged(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a")])
        commit("u", [_body("b")])
        assert to.names == []
        log.settle()
        assert sorted(to.names) == ["a", "b"]


def test_reader_leaves_requests_of_other_tenants_in_the_log(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a")])
        commit("u", [_body("b")])
        log.settle("t")
        log.settle("nobody")
        assert to.names == ["a"]
        commit("t", [_body("c")])
        log.settle("t")
        assert to.names == ["a", "c"]
        assert len(list(tmp_path.glob("log/*.log"))) == 1
        log.settle()
        assert to.names == ["a", "c", "b"]


def test_reader_waits_for_no_blocks_of_other_tenants(tmp_path: Path) -> None:
    to, stored = Memory(), list[str]()
    is_slow = True

    def write(tenant: str, _: pa.Table, __: bytes, ___: int) -> Sequence[Block]:
        if is_slow and tenant != "e":
            raise StorageUnavailable("not yet")
        stored.append(tenant)
        return []

    to.write = write  # type: ignore[method-assign, assignment]
    with _commit(tmp_path, to) as (commit, log):
        for name in "abcdef":
            commit(name, [_body(name)])
        log._seal()
        log.settle("e")
        assert stored == ["e"]
        is_slow = False
    assert sorted(stored) == list("abcdef")


def test_closing_makes_blocks_of_everything(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to) as (commit, _log):
        commit("t", [_body("a")])
    assert to.names == ["a"]


def test_closing_tries_storage_that_failed_once_more(tmp_path: Path) -> None:
    to = Memory()
    to.failure = lambda: StorageUnavailable("not yet")
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a")])
        commit("u", [_body("b")])
        with pytest.raises(StorageUnavailable):
            log.settle()
        to.failure = lambda: None
    assert to.names == ["a", "b"]


def test_closing_leaves_what_storage_still_refuses_in_the_log(tmp_path: Path) -> None:
    to = Memory()
    to.failure = lambda: StorageUnavailable("not yet")
    with _commit(tmp_path, to) as (commit, _log):
        commit("t", [_body("a")])
    assert to.names == []
    to.failure = lambda: None
    with _commit(tmp_path, to):
        pass
    assert to.names == ["a"]


def test_only_valid_small_requests_are_logged(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to) as (commit, log):
        outcomes = commit("t", [_body("large", filler=LARGEST_BODY), _body("small")])
        assert outcomes == [Receipt(1), Receipt(1)]
        assert to.directly == ["large"]
        assert [type(each) for each in commit("t", [Request.of(b"\xff\xff"), _body("beside")])] == [
            MalformedRequest,
            Receipt,
        ]
        assert to.directly == ["large", "beside"]
        log.settle()
        assert to.names == ["small"]


def test_nothing_is_logged_while_the_index_is_unusable(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to, lambda: "gone") as (commit, _log):
        commit("t", [_body("a")])
    assert (to.directly, to.names) == (["a"], [])


def test_requests_to_a_quiet_server_are_stored_before_the_answer(tmp_path: Path) -> None:
    to, quiet = Memory(), iter([True, False])
    with _commit(tmp_path, to) as (_, log):
        pipeline = Pipeline(otlp.read, to.write_directly, Uncounted())
        commit = LoggedCommit(log, pipeline, Metrics(), is_quiet=lambda: next(quiet))
        assert commit("t", [_body("a")]) == commit("t", [_body("b")]) == [Receipt(1)]
        assert (to.directly, to.names) == (["a"], [])


def test_nothing_is_logged_without_room_for_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reserve, "fill", lambda _: None)
    to = Memory()
    with _commit(tmp_path, to) as (commit, _log):
        assert commit("t", [_body("a")]) == [Receipt(1)]
        assert (to.directly, list(tmp_path.glob("log/*.log"))) == (["a"], [])


def test_requests_of_many_tenants_wait_for_blocks_of_earlier_ones(tmp_path: Path) -> None:
    few = replace(LONG_SEGMENTS, segment_tenants=2, most_sealed_tenants=4)
    to, most = Memory(), 0
    with _commit(tmp_path, to, policy=few) as (commit, _log):
        for number in range(30):
            assert commit(f"t{number}", [_body(f"{number}")]) == [Receipt(1)]
            most = max(most, number + 1 - len(to.names))
    assert (len(to.names), to.directly) == (30, [])
    assert most <= 8  # those that are sealed, being sealed, and open


def test_next_process_stores_what_a_killed_one_acknowledged(tmp_path: Path) -> None:
    killed = Memory()
    log = request_log(LogDestination(LogFiles.of(tmp_path), killed.write, lambda: None, LONG_SEGMENTS), Metrics())
    _logged(log, killed)("t", [_body("a")])
    opened = log._open
    assert opened is not None
    opened.segment.close()  # as the end of a process does

    to = Memory()
    with _commit(tmp_path, to) as (_, again):
        again.settle()
        assert (killed.names, to.names) == ([], ["a"])


def test_next_process_makes_the_same_blocks_of_the_log(tmp_path: Path) -> None:
    once, again = Memory(), Memory()
    with _commit(tmp_path, once) as (commit, log):
        for names, is_read in (("ab", True), ("c", False), ("d", True), ("e", False)):
            commit("t", [_body(name) for name in names])
            commit("u", [_body(f"u{names}")])
            if is_read:
                log.settle("t")
        assert log._open is not None
        path = log._open.segment.path
        content = path.read_bytes()
    path.write_bytes(content)  # a power cut may bring a removed file back

    with _commit(tmp_path, again) as (_, after):
        after.settle()

    assert sorted(again.names) == sorted(once.names)
    assert sorted(again.hashes) == sorted(once.hashes)


@pytest.mark.parametrize("is_killed", [False, True])
def test_spans_that_come_after_the_deletion_of_their_trace_are_shown(
    tmp_path: Path, index: SqliteIndex, *, is_killed: bool
) -> None:
    objects = LocalObjects(tmp_path)
    log = request_log(replace(log_destination(tmp_path, objects, index), policy=LONG_SEGMENTS), Metrics())
    commit = _logged(log, Memory())
    log.start()
    commit("t", [_body("before")])
    blocks = settled(index, log.settle).find("t", MIN_NS, MAX_NS)
    index.mark_deleted(blocks, _TRACE)
    commit("t", [_body("after")])
    assert log._open is not None
    path = log._open.segment.path
    content = path.read_bytes()
    log.close()
    if is_killed:
        (after,) = (block for block in index.find("t", MIN_NS, MAX_NS) if not block.hidden)
        path.write_bytes(content)
        store_logged(tmp_path, objects, index)
        assert after in index.find("t", MIN_NS, MAX_NS)

    found = index.find("t", MIN_NS, MAX_NS)
    assert sorted(len(block.hidden) for block in found) == [0, 1]


def test_failing_storage_fails_readers_and_loses_nothing(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a")])
        to.failure = lambda: StorageUnavailable("the disk is away")
        with pytest.raises(StorageUnavailable, match="the disk is away"):
            log.settle()
        commit("t", [_body("b")])
        assert to.directly == ["b"]
        to.failure = lambda: None
        log.settle()
        assert sorted([*to.names, *to.directly]) == ["a", "b"]


def test_logged_requests_become_blocks_on_a_full_disk(tmp_path: Path) -> None:
    reserve = tmp_path / "log" / ".reserve"

    def full() -> Exception | None:
        if not reserve.exists():
            return None
        error = StorageUnavailable("no space")
        error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
        return error

    to = Memory()
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a")])
        log.settle()
        assert reserve.exists()
        commit("t", [_body("b")])
        to.failure = full
        log.settle()
        assert to.names == ["a", "b"]


def test_request_that_cannot_be_stored_is_kept_as_a_file(tmp_path: Path) -> None:
    to, bad = Memory(), _body("bad")
    write = to.write

    def refuse(tenant: str, table: pa.Table, content_hash: bytes, received_ns: int) -> Sequence[Block]:
        if "bad" in table["name"].to_pylist():
            raise ZeroDivisionError
        return write(tenant, table, content_hash, received_ns)

    to.write = refuse  # type: ignore[method-assign, assignment]
    with _commit(tmp_path, to) as (commit, log):
        commit("t", [_body("a"), bad, _body("b")])
        log.settle()
    assert sorted(to.names) == ["a", "b"]
    (kept,) = tmp_path.glob("log/refused/*")
    assert kept.read_bytes() == bad.body


def test_deleted_trace_stays_deleted_when_the_log_is_read_again(tmp_path: Path, index: SqliteIndex) -> None:
    objects = LocalObjects(tmp_path)
    log = request_log(replace(log_destination(tmp_path, objects, index), policy=LONG_SEGMENTS), Metrics())
    _logged(log, Memory())("t", [_body("a")])
    assert log._open is not None
    path = log._open.segment.path
    content = path.read_bytes()
    log.start()
    reader = settled(index, log.settle)
    blocks = reader.find("t", MIN_NS, MAX_NS)
    assert [block.spans for block in blocks] == [1]
    index.mark_deleted(blocks, _TRACE)
    log.close()
    path.write_bytes(content)  # a power cut may bring a removed file back

    store_logged(tmp_path, objects, index)

    (block,) = index.find("t", MIN_NS, MAX_NS)
    assert block.hidden == {_TRACE}
    assert not path.exists()


def test_two_servers_on_one_directory_see_each_others_spans(tmp_path: Path) -> None:
    short, one, other = LogPolicy(segment_seconds=0.3), Memory(), Memory()
    with _commit(tmp_path, one, policy=short) as (first, _), _commit(tmp_path, other, policy=short) as (_, second):
        first("t", [_body("a")])
        second.settle()
        assert (one.names, other.names) == (["a"], [])


def test_segments_are_limited_in_size(tmp_path: Path) -> None:
    to = Memory()
    with _commit(tmp_path, to, policy=replace(LONG_SEGMENTS, segment_bytes=50_000)) as (commit, _log):
        for number in range(10):
            commit("t", [_body(f"{number}", filler=10_000)])
        _wait_for(lambda: len(to.names) >= 8)
