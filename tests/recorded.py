"""The recorded answers of Tempo 3.1, and the spans that they are about."""

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[2] / "shared" / "conformance"
ANSWERS = FOLDER / "answers.jsonl.gz"


def checker() -> ModuleType:
    """The module that loads, asks and compares."""
    spec = importlib.util.spec_from_file_location("check", FOLDER / "check.py")
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
