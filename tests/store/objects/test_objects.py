"""Tests the contract of every object storage."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from spanlake.store.errors import InvalidPath, ObjectNotFound
from spanlake.store.objects.base import Objects

PATH = "spans/tenant=a/date=2026-11-22/0123.parquet"


def test_what_was_put_can_be_had(objects: Objects) -> None:
    objects.put(PATH, b"some bytes")
    assert objects.get(PATH) == b"some bytes"


def test_arrow_buffers_and_nothing_at_all_can_be_put(objects: Objects) -> None:
    objects.put("buffer", pa.py_buffer(b"some bytes"))
    objects.put("empty", b"")
    assert objects.get("buffer") == b"some bytes"
    assert objects.get("empty") == b""


def test_put_replaces(objects: Objects) -> None:
    objects.put(PATH, b"longer at first")
    objects.put(PATH, b"short")
    assert objects.get(PATH) == b"short"


def test_an_object_can_be_read_in_parts(objects: Objects) -> None:
    objects.put(PATH, b"0123456789")
    with objects.open(PATH) as file:
        file.seek(4)
        assert file.read(3) == b"456"
        assert file.size() == 10


def test_a_missing_object_is_an_error_to_readers(objects: Objects) -> None:
    objects.put(PATH, b"x")
    for missing in ("nothing", "spans/tenant=a", PATH + "/below", PATH.removesuffix(".parquet")):
        with pytest.raises(ObjectNotFound, match=missing):
            objects.get(missing)
        with pytest.raises(ObjectNotFound, match=missing):
            objects.open(missing)


def test_delete_removes_and_may_be_repeated(objects: Objects) -> None:
    objects.put(PATH, b"x")
    objects.delete(PATH)
    objects.delete(PATH)
    objects.delete("never/there")
    assert list(objects.list()) == []
    objects.put(PATH, b"again")
    assert objects.get(PATH) == b"again"


def test_delete_all_removes_and_may_be_repeated(objects: Objects) -> None:
    for path in ("a/1", "a/2", "b/1"):
        objects.put(path, b"x")
    for _ in range(2):
        objects.delete_all(["a/1", "b/1", "never/there"])
    objects.delete_all([])
    assert [info.path for info in objects.list()] == ["a/2"]


def test_list_names_objects_by_prefix_in_order_of_path(objects: Objects) -> None:
    paths = ["a/b.c/d", "a/b/d", "a/b", "a/ba", "a-b", "b/x", "a/b=1/z"]
    for path in sorted(paths, key=len):
        if path != "a/b":  # a file system cannot have both a/b and a/b/d
            objects.put(path, path.encode())
    listed = [info.path for info in objects.list()]
    assert listed == sorted(set(paths) - {"a/b"})
    assert [info.path for info in objects.list("a/b")] == ["a/b.c/d", "a/b/d", "a/b=1/z", "a/ba"]
    assert [info.path for info in objects.list("a/b/")] == ["a/b/d"]
    assert list(objects.list("c")) == []


def test_list_tells_size_and_time(objects: Objects) -> None:
    objects.put(PATH, b"x" * 17)
    (info,) = objects.list()
    assert info.size == 17
    assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("path", ["", "/", "/etc/passwd", "a//b", "a/", "../x", "a/../../x", ".", "a/./b", ".tmp/x"])
def test_paths_that_lead_elsewhere_are_refused(objects: Objects, path: str) -> None:
    assert_refused(objects, path)


@pytest.mark.parametrize("path", ["a\\b", "a\x00", "a\n", "a*", "a?", "ä", "x" * 1025])
def test_paths_that_some_storage_cannot_hold_are_refused(objects: Objects, path: str) -> None:
    assert_refused(objects, path)


def assert_refused(objects: Objects, path: str) -> None:
    for use in (objects.get, objects.open, objects.delete, objects.uri, lambda path: objects.put(path, b"x")):
        with pytest.raises(InvalidPath):
            use(path)
