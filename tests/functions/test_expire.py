"""What is done once a day."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from spanlake.aws_lambda import expire
from spanlake.aws_lambda.compaction import Compaction
from spanlake.aws_lambda.settings import settings
from spanlake.aws_lambda.store import LambdaStore
from spanlake.aws_lambda.telemetry import Telemetry
from spanlake.store.objects import ObjectInfo
from spanlake.store.s3 import S3Objects
from spanlake.store.upkeep.garbage import TRASH
from tests.functions.events import Context
from tests.functions.test_compact import levels, store_blocks
from tests.payloads import DAY_NS


def paths(store: LambdaStore) -> list[str]:
    return [info.path for info in store.objects.list() if info.path != "store.json"]


def aged(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> None:
    """Let every object be as old as that."""
    listed = S3Objects.list

    def older(objects: S3Objects, prefix: str = "") -> list[ObjectInfo]:
        return [replace(info, modified=datetime.now(UTC) - age) for info in listed(objects, prefix)]

    monkeypatch.setattr(S3Objects, "list", older)


def test_days_past_their_retention_go(store: LambdaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store_blocks(store, "shop", 2, start_ns=time.time_ns() - 15 * DAY_NS)
    kept = store_blocks(store, "shop", 1)
    expire.handler()({}, Context())
    assert levels(store, "shop") == [0]
    assert len(paths(store)) == 3, "the objects stay a day"
    now = time.time()
    monkeypatch.setattr("spanlake.store.upkeep.removal.time.time", lambda: now + 86_401)
    expire.handler()({}, Context())
    assert paths(store) == [block.path for block in kept]


def test_a_day_that_is_over_is_merged_though_nothing_comes_any_more(
    store: LambdaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_blocks(store, "shop", 3, start_ns=time.time_ns() - 3 * DAY_NS)
    monkeypatch.setattr("spanlake.store.upkeep.policy._QUIET_NS", 0)
    expire.handler()({}, Context())
    assert levels(store, "shop") == [1]


def test_garbage_goes_in_two_steps(
    store: LambdaStore, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = store_blocks(store, "shop", 1)
    nobody = block.path.replace(block.id, "ab" * 16)
    store.objects.put(nobody, b"x")
    aged(monkeypatch, timedelta(hours=2))
    config, waited = settings(environment | {"SPANLAKE_GARBAGE_SHARE": "50%"}), list[float]()
    compaction = Compaction(store, config, Telemetry("tests"))
    upkeep = expire.Upkeep(store, config, compaction, waited.append)
    upkeep.run()
    assert sorted(paths(store)) == [block.path, TRASH + nobody]
    upkeep.run()
    assert paths(store) == [block.path]
    assert waited == [180.0]  # for the first only: whoever stores it again then gets it back
