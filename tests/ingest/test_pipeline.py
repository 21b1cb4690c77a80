"""The pipeline: what becomes of each request of a group, with the real decoder and real storage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.ingest.pipeline import Pipeline, Write
from spanlake.ingest.request import Format, Outcome, Receipt, Request
from spanlake.receivers import otlp
from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.decode import Decoded, Options
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.spans.otlp.validate import explain
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageUnavailable
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from spanlake.telemetry.prometheus import Metrics
from tests.payloads import DAY_NS, block_files, export_request, stored_names

NOW_NS = 1_800_000_000 * 10**9
BAD = b"\xff\xff"


def body(*names: str, age_days: float = 0) -> bytes:
    return export_request(*names, start_ns=NOW_NS - int(age_days * DAY_NS)).SerializeToString()


def pipeline(to: Write, retention: timedelta | None = None) -> Pipeline:
    return Pipeline(otlp.read, to, Metrics(), retention, clock=lambda: NOW_NS)


def run(around: Pipeline, *bodies: bytes) -> list[Outcome]:
    return around("t", [Request.of(each) for each in bodies])


def storage(data: Path) -> Write:
    return partial(write, LocalObjects(data), SqliteIndex(data / "index.sqlite"))


@dataclass
class Memory:
    """A Write that keeps what it is given."""

    names: list[list[str]] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)

    def __call__(self, _: str, table: pa.Table, content_hash: bytes) -> Sequence[Block]:
        self.names.append([str(name) for name in table["name"].to_pylist()])
        self.hashes.append(content_hash)
        return []


def test_pipeline_stores_requests_of_a_group_in_one_block(tmp_path: Path) -> None:
    assert run(pipeline(storage(tmp_path)), body("a", "b"), body("c")) == [Receipt(2), Receipt(1)]
    assert stored_names(tmp_path, "t") == ["a", "b", "c"]
    assert len(list(block_files(tmp_path, "t"))) == 1


def test_pipeline_makes_two_blocks_of_spans_around_midnight(tmp_path: Path) -> None:
    midnight_ns = NOW_NS - NOW_NS % DAY_NS
    around = [export_request(f"{shift}", start_ns=midnight_ns + shift).SerializeToString() for shift in (-1, 1)]
    assert run(pipeline(storage(tmp_path)), *around) == [Receipt(1), Receipt(1)]
    assert sorted(file.parent.name for file in block_files(tmp_path, "t")) == ["date=2027-01-14", "date=2027-01-15"]


@pytest.mark.parametrize("bad", [{0}, {1}, {3}, {0, 1}, {0, 2, 3}, {0, 1, 2, 3}])
def test_pipeline_fails_malformed_request_alone(bad: set[int]) -> None:
    memory = Memory()
    bodies = [BAD if number in bad else body(f"{number}") for number in range(4)]
    outcomes = run(pipeline(memory), *bodies)
    assert [isinstance(outcome, MalformedRequest) for outcome in outcomes] == [number in bad for number in range(4)]
    stored = [sorted(names) for names in memory.names]
    assert stored == [[f"{number}" for number in range(4) if number not in bad]] * (len(bad) < 4)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_pipeline_returns_outcome_of_each_request(good: list[bool]) -> None:
    outcomes = run(pipeline(Memory()), *[body(*["x"] * number) if fine else BAD for number, fine in enumerate(good)])
    assert [outcome.accepted if isinstance(outcome, Receipt) else None for outcome in outcomes] == [
        number if fine else None for number, fine in enumerate(good)
    ]


def test_pipeline_spares_other_requests_when_decoder_fails() -> None:
    def read(bodies: Sequence[bytes], options: Options) -> object:
        if b"odd" in bodies:
            raise ZeroDivisionError
        return otlp.read(bodies, options)

    around = Pipeline(read, Memory(), Metrics())  # type: ignore[arg-type]
    outcomes = run(around, body("a"), b"odd", body("b"))
    assert [type(outcome) for outcome in outcomes] == [Receipt, ZeroDivisionError, Receipt]


@pytest.mark.parametrize("position", [0, 1, 50, 99])
def test_pipeline_reads_large_malformed_request_few_times(position: int) -> None:
    readings: list[int] = []

    def read(bodies: Sequence[bytes], options: Options) -> object:
        readings.append(sum(len(each) for each in bodies if each.startswith(BAD)))
        return otlp.read(bodies, options)

    bodies = [body(f"{number}") for number in range(100)]
    bodies[position] = BAD * 100_000
    outcomes = run(Pipeline(read, Memory(), Metrics(), clock=lambda: NOW_NS), *bodies)  # type: ignore[arg-type]

    assert [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Receipt)] == [position]
    assert sum(map(bool, readings)) <= 3


def test_pipeline_fails_all_valid_requests_when_storage_fails() -> None:
    def refuse(*_: object) -> Sequence[Block]:
        raise StorageUnavailable("full")

    outcomes = run(pipeline(refuse), body("a"), BAD, body("b"))
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable, MalformedRequest, StorageUnavailable]


@pytest.mark.parametrize(
    ("age_days", "retention_days", "rejected"),
    [
        (0, None, {}),
        (0, 2, {}),
        (1.9, 2, {}),
        (2.1, 2, {"too_old": 1}),
        (10_000, None, {}),
        (-0.9, 2, {}),
        (-1.1, 2, {"too_new": 1}),
        (-1.1, None, {"too_new": 1}),
    ],
)
def test_pipeline_rejects_spans_out_of_time_bounds(
    age_days: float, retention_days: int | None, rejected: dict[str, int]
) -> None:
    memory = Memory()
    retention = None if retention_days is None else timedelta(days=retention_days)
    (outcome,) = run(pipeline(memory, retention), body("x", age_days=age_days))
    assert outcome == Receipt(0 if rejected else 1, rejected)
    assert memory.names == ([] if rejected else [["x"]])


def test_pipeline_reports_rejections_by_request() -> None:
    old, new = body("x", "y", age_days=5), body("z")
    outcomes = run(pipeline(Memory(), timedelta(days=1)), old, new, old)
    assert outcomes == [Receipt(0, {"too_old": 2}), Receipt(1), Receipt(0, {"too_old": 2})]


def test_pipeline_writes_no_block_without_spans() -> None:
    memory = Memory()
    assert run(pipeline(memory), b"", b"") == [Receipt(0), Receipt(0)]
    assert memory.names == []


def test_pipeline_names_block_by_requests_in_any_order() -> None:
    memory = Memory()
    around = pipeline(memory)
    for bodies in ((body("a"), body("b")), (body("b"), body("a")), (body("a"),), (body("a"), BAD, body("b"))):
        run(around, *bodies)
    one, same, other, without_bad = memory.hashes
    assert one == same == without_bad != other


def test_pipeline_writes_equal_bytes_for_requests_in_any_order(tmp_path: Path) -> None:
    blocks = []
    for number, bodies in enumerate(([body("a"), body("b"), body("c")], [body("c"), body("a"), body("b")])):
        run(pipeline(storage(tmp_path / f"{number}")), *bodies)
        (file,) = block_files(tmp_path / f"{number}", "t")
        blocks.append((file.name, file.read_bytes()))
    assert blocks[0] == blocks[1]


def test_pipeline_writes_equal_block_for_repeated_group(tmp_path: Path) -> None:
    around = pipeline(storage(tmp_path))
    for _ in range(2):
        run(around, body("a"), body("b"))
    assert stored_names(tmp_path, "t") == ["a", "b"]


@pytest.mark.parametrize("rejected", [{}, {"too_old": 2}, {"malformed": 1, "invalid_span_id": 2}])
def test_receipt_counts_and_explains_rejected_spans(rejected: dict[str, int]) -> None:
    receipt = Receipt(5, rejected)
    assert (receipt.rejected_spans, receipt.explanation) == (sum(rejected.values()), explain(rejected))


def test_pipeline_adds_spans_rejected_by_translation() -> None:
    """Spans that a receiver left out count with those that validation rejects."""
    format_ = Format.of_each("partial", lambda body: Translated(body, {"malformed": 2, "too_old": 1}))
    (outcome,) = pipeline(Memory(), timedelta(days=1))("t", [Request.of(body("x", age_days=5), format_)])
    assert outcome == Receipt(0, {"malformed": 2, "too_old": 2})


def test_pipeline_stores_requests_that_only_together_exceed_limits() -> None:
    memory = Memory()

    def read(bodies: Sequence[bytes], options: Options) -> Decoded:
        if len(bodies) > 2:
            raise MalformedRequest("too much together")
        return otlp.read(bodies, options)

    around = Pipeline(read, memory, Metrics(), clock=lambda: NOW_NS)
    assert run(around, *(body(name) for name in "abcde")) == [Receipt(1)] * 5
    assert sorted(name for names in memory.names for name in names) == list("abcde")
