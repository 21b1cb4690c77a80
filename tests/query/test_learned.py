"""What compare() keeps of columns for its next queries."""

import time
from dataclasses import replace

import pyarrow as pa
import pytest

from spanlake.query.learned import Learned, Memory


@pytest.fixture
def some() -> Learned:
    """Learned now: the tests of this file may run long after it was imported."""
    return Learned([], [], [["a"]], pa.table({"a": [1]}))


def test_what_is_kept_is_recalled_until_it_is_forgotten(some: Learned) -> None:
    memory = Memory()
    others = Learned(["b"], [], [], pa.table({"a": [2]}))
    assert memory.recall("x") is None
    memory.keep("x", some)
    memory.keep("y", others)
    assert (memory.recall("x"), memory.recall("y")) == (some, others)
    memory.keep("x", others)
    assert memory.recall("x") is others
    memory.forget("x")
    memory.forget("x")
    assert (memory.recall("x"), memory.recall("y")) == (None, others)


def test_it_is_learned_anew_after_a_while(monkeypatch: pytest.MonkeyPatch, some: Learned) -> None:
    """Also what was added to in the meantime."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    memory = Memory()
    some = replace(some, since=now)
    memory.keep("x", some)
    now += 500
    others = replace(some, meanings=pa.table({"a": [1, 2]}))
    memory.keep("x", others)
    assert memory.recall("x") is others
    now += 101
    assert memory.recall("x") is None
    some = replace(some, since=now)
    memory.keep("x", some)
    now += 599
    assert memory.recall("x") is some


def test_only_what_was_used_last_is_kept(some: Learned) -> None:
    memory = Memory()
    for number in range(16):
        memory.keep(number, some)
    memory.recall(0)
    memory.keep(16, some)
    assert [number for number in range(17) if memory.recall(number) is None] == [1]


def test_nothing_large_is_kept(some: Learned) -> None:
    memory = Memory()
    memory.keep("x", some)
    memory.keep("x", Learned([], [], [], pa.table({"a": pa.nulls(1 << 20, pa.int64())})))
    assert memory.recall("x") is None
