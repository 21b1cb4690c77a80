"""The recorded requests to Tempo 3.1 with the right answers, and the spans that they are about."""

import importlib.util
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

DATA = Path(__file__).parent / "data"
"""Recordings, payloads and cases that several suites use."""

FOLDER = DATA / "conformance"
ANSWERS = FOLDER / "answers.jsonl.gz"
"""File of Tempo's answers."""
_RIGHT_FOLDER = DATA / "right"
ORACLE = Path(__file__).parent / "oracle"
"""The right answers as a program."""

ALL_SPANS = 730
"""A request with ``spss=0``, which shows all spans of a set here (case q10); the answer on file shows three."""


def checker() -> ModuleType:
    """Imports the module that loads, asks and compares the recorded requests."""
    return script(_RIGHT_FOLDER / "check.py")


def answers() -> list[dict[str, Any]]:
    """The recorded requests with the right answers, which all who ask share."""
    return list(_answers())


@cache
def _answers() -> tuple[dict[str, Any], ...]:
    rows: list[dict[str, Any]] = checker().load(_RIGHT_FOLDER / "answers.jsonl.xz")
    return tuple(row for row in rows if row["id"] != ALL_SPANS)


@cache
def script(path: Path) -> ModuleType:
    """Imports a Python file that belongs to no package, once."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bodies() -> Iterator[bytes]:
    """The spans as OTLP requests."""
    data = (FOLDER / "dataset.otlp").read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size
