"""What is counted of spans on their way in; Prometheus metrics and those of functions both take it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class IngestMetrics(Protocol):
    """Counts requests and what became of them; safe to use from any thread."""

    def request(self, protocol: str, code: str) -> None:
        """Count a request to store spans by how it was answered, in the protocol's own codes."""

    def received(self, *, spans: int, size: int) -> None:
        """Count what well-formed requests held; size in bytes."""

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Count spans that were not stored."""

    def written(self, *, blocks: int, size: int) -> None:
        """Count blocks that ingest wrote; size in bytes."""

    def time_commit(self) -> AbstractContextManager[None]:
        """Time a commit that succeeds."""
