"""Trims botocore's data on services: it reads all of it when a client is made, and much of it is documentation."""

import gzip
import json
from pathlib import Path
from typing import Any

from spanlake_layers.contents import SERVICES

_DATA = Path("botocore", "data")


def slim(folder: Path) -> None:
    """Remove the documentation of services, and the endpoints of services that are never called."""
    for packed in (folder / _DATA).glob("*/*/*.json.gz"):
        _write(packed.with_suffix(""), _bare(json.loads(gzip.decompress(packed.read_bytes()))))
        packed.unlink()
    endpoints = folder / _DATA / "endpoints.json"
    known = json.loads(endpoints.read_bytes())
    for partition in known["partitions"]:
        partition["services"] = {name: each for name, each in partition["services"].items() if name in SERVICES}
    _write(endpoints, known)


def _bare(node: Any) -> Any:
    """Return a model with empty documentation; it is not removed, since botocore reads it in places."""
    if isinstance(node, list):
        return [_bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: "" if key == "documentation" and isinstance(each, str) else _bare(each) for key, each in node.items()}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")))
