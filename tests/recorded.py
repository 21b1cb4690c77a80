"""The recorded answers of Tempo 3.1, and the spans that they are about."""

import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

DATA = Path(__file__).parent / "data"
"""Recordings, payloads and cases that several suites use."""

FOLDER = DATA / "conformance"
ANSWERS = FOLDER / "answers.jsonl.gz"
_RIGHT_FOLDER = DATA / "right"

RIGHT = {
    **dict.fromkeys(
        (
            525,
            526,
            527,
            528,
            529,
            530,
            539,
            540,
            544,
            545,
            548,
            549,
            550,
            555,
            556,
            557,
            558,
            559,
            560,
        ),
        "attributes are never hidden for how Tempo stores them",
    ),
    **dict.fromkeys(
        (
            564,
            572,
            573,
            586,
            590,
            594,
            598,
            602,
            604,
            605,
            606,
            610,
            618,
            636,
            638,
            642,
            644,
            646,
            648,
            650,
            658,
            666,
            670,
            674,
            694,
            696,
            698,
            702,
            710,
            714,
        ),
        "narrowed names and values are complete",
    ),
    **dict.fromkeys(
        (
            567,
            571,
            643,
            671,
            695,
        ),
        "status and kind are words, durations have units",
    ),
}
"""Requests to which Tempo's recorded answer breaks a rule of Grafana's, and the rule: the right answer is wanted."""

WAITING = dict.fromkeys((513, 622, 626, 634, 684, 685), "waits for the roots and the numbers of the right answers")
"""Requests whose right answer needs more than these rules."""


def checker() -> ModuleType:
    """Imports the module that loads, asks and compares the recorded requests."""
    return script(FOLDER / "check.py")


def answers() -> list[dict[str, Any]]:
    """The recorded requests with the answers that are wanted, without those that wait."""
    return [row for row in every_answer() if row["id"] not in WAITING]


def every_answer() -> list[dict[str, Any]]:
    """The recorded requests with the answers that are wanted: Tempo's, where no rule of Grafana's says otherwise."""
    right = {
        row["id"]: row["want"] for row in script(_RIGHT_FOLDER / "check.py").load(_RIGHT_FOLDER / "answers.jsonl.xz")
    }
    rows: list[dict[str, Any]] = checker().load(ANSWERS)
    return [row | {"want": right[row["id"]] if row["id"] in RIGHT | WAITING else _as_shown(row)} for row in rows]


def _as_shown(row: dict[str, Any]) -> Any:
    """The recorded answer; in a search the values under one name are of one type, and lists are JSON text."""
    want = row["want"]
    if row["path"] != "/api/search" or "is" not in want:
        return want
    cells = [cell for trace in want["is"].values() for found in trace["sets"] for cell in _cells(found)]
    kinds: dict[str, set[str]] = {}
    for name, value in (item for cell in cells for item in cell.items()):
        kinds.setdefault(name, set()).add(_kind(value))
    for cell in cells:
        texts = {name for name, value in cell.items() if isinstance(value, list | dict) or len(kinds[name]) > 1}
        cell.update({name: _json_text(value) for name, value in cell.items() if name in texts})
    return want


def _cells(span_set: dict[str, Any]) -> list[dict[str, Any]]:
    return [span_set["attributes"], *(attributes for _, _, attributes in span_set["spans"].values())]


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else "text"


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def script(path: Path) -> ModuleType:
    """Imports a Python file that belongs to no package."""
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
