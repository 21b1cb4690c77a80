"""Requests of any format in one group: translated, stored in one block, each with an outcome of its own."""

from functools import partial
from pathlib import Path

import pytest

from spanlake.ingest.errors import NothingStored
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.request import Format, Receipt, Request
from spanlake.receivers import otlp
from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.errors import MalformedRequest
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from spanlake.telemetry.prometheus import Metrics
from tests.payloads import block_files, export_request, stored_names


def _reversed(body: bytes) -> Translated:
    if not body:
        raise MalformedRequest("it is empty")
    return Translated(body[::-1])


def _broken(_: bytes) -> Translated:
    raise ZeroDivisionError("a secret")


REVERSED, BROKEN = Format.of_each("reversed", _reversed), Format.of_each("broken", _broken)


def body(name: str) -> bytes:
    return export_request(name).SerializeToString()


def pipeline(data: Path) -> Pipeline:
    return Pipeline(otlp.read, partial(write, LocalObjects(data), SqliteIndex(data / "index.sqlite")), Metrics())


def test_pipeline_stores_formats_of_a_group_in_one_block(tmp_path: Path) -> None:
    requests = [Request.of(body("otlp")), Request.of(body("other")[::-1], REVERSED)]
    assert pipeline(tmp_path)("t", requests) == [Receipt(1), Receipt(1)]
    assert stored_names(tmp_path, "t") == ["other", "otlp"]
    assert len(list(block_files(tmp_path, "t"))) == 1


def test_pipeline_fails_untranslatable_request_alone(tmp_path: Path) -> None:
    requests = [
        Request.of(b"", REVERSED),
        Request.of(body("kept")),
        Request.of(b"x", BROKEN),
        Request.of(b"no OTLP", REVERSED),
        Request.of(body("kept too")[::-1], REVERSED),
    ]
    outcomes = pipeline(tmp_path)("t", requests)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [MalformedRequest, Receipt, ZeroDivisionError, MalformedRequest, Receipt]
    assert stored_names(tmp_path, "t") == ["kept", "kept too"]


def test_pipeline_writes_no_block_for_untranslatable_request(tmp_path: Path) -> None:
    (outcome,) = pipeline(tmp_path)("t", [Request.of(b"", REVERSED)])
    assert isinstance(outcome, MalformedRequest)
    assert not list(block_files(tmp_path, "t"))


def test_deduplication_keeps_equal_bytes_of_other_format_apart() -> None:
    digests = {Request.of(b"x", format_).digest for format_ in (None, REVERSED, BROKEN)}
    assert len(digests) == 3


def test_require_some_raises_only_when_all_spans_were_rejected() -> None:
    Receipt().require_some()
    Receipt(1, {"too_old": 1}).require_some()
    with pytest.raises(NothingStored, match="2 spans were not stored"):
        Receipt(0, {"too_old": 2}).require_some()
