"""Metrics of ingest that nobody reads."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from spanlake.telemetry.interface import Usage


class Uncounted:
    """IngestMetrics without effect."""

    def request(self, protocol: str, code: str) -> None:
        """Count nothing."""

    def received(self, *, spans: int, size: int) -> None:
        """Count nothing."""

    def usage(self, tenant: str, used: Usage, most: int) -> None:
        """Count nothing."""

    def truncated(self, tenant: str, attributes: int) -> None:
        """Count nothing."""

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Count nothing."""

    def of_tenant(self, tenant: str, accepted: int, refused: Mapping[str, int]) -> None:
        """Count nothing."""

    def refused_bytes(self, tenant: str, reason: str, size: int) -> None:
        """Count nothing."""

    def written(self, *, blocks: int, size: int) -> None:
        """Count nothing."""

    def time_commit(self) -> AbstractContextManager[None]:
        """Time nothing."""
        return nullcontext()
