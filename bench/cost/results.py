"""Stores the figures of bench.measure.lambda in a file for bench.cost.report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path("build/bench/lambda.json")


@dataclass(frozen=True)
class Requests:
    """Requests with so many spans each, to the function that takes them in; of one request, means or medians."""

    spans: int
    body_bytes: float
    seconds: float
    """Median, of a function that has been used before."""
    slowest_seconds: float
    cpu_seconds: float
    peak_memory: int
    """Bytes, of the function's process."""
    log_bytes: float
    object_bytes: float
    s3_puts: float
    write_units: float
    read_units: float


@dataclass(frozen=True)
class Merging:
    """Compaction of fresh blocks of so many spans; means of one block that is merged."""

    spans: int
    blocks: int
    cpu_seconds: float
    s3_gets: float
    write_units: float
    read_units: float
    plan_read_units: float
    """Of these, to look for what there is to merge."""
    bytes_a_span: float
    """Of the blocks made."""


@dataclass(frozen=True)
class QueryCost:
    """A query; seconds, and bytes of the function's process."""

    area: str
    label: str
    cold_seconds: float
    """The first answer of a new process, without its start."""
    seconds: float
    """Median of the answers after it."""
    cpu_seconds: float
    peak_memory: int
    s3_gets: float
    """Requests to S3 for the first answer."""


@dataclass(frozen=True)
class Measured:
    """All of it."""

    date: str
    machine: str
    memory_mib: int
    requests: Sequence[Requests]
    mergings: Sequence[Merging]
    spans_asked: int
    queries: Sequence[QueryCost]

    def save(self) -> None:
        """Write the file."""
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls) -> "Measured":
        """Read the file; raises FileNotFoundError when nothing has been measured here."""
        found = json.loads(FILE.read_text())
        return cls(
            date=found["date"],
            machine=found["machine"],
            memory_mib=found["memory_mib"],
            requests=[Requests(**each) for each in found["requests"]],
            mergings=[Merging(**each) for each in found["mergings"]],
            spans_asked=found["spans_asked"],
            queries=[QueryCost(**each) for each in found["queries"]],
        )
