"""Interface of the metrics that ingest counts, implemented for Prometheus and for Lambda functions."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Labels = tuple[tuple[str, str], ...]
"""Names and values of a metric's labels."""
Usage = Mapping[Labels, int]
"""Bytes by labels."""


class IngestMetrics(Protocol):
    """Counters of requests and their outcomes; safe to use from any thread."""

    def request(self, protocol: str, code: str) -> None:
        """Count a request to store spans by its status code in the protocol."""

    def received(self, *, spans: int, size: int) -> None:
        """Count the content of well-formed requests; size in bytes."""

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Count spans that were not stored."""

    def of_tenant(self, tenant: str, accepted: int, refused: Mapping[str, int]) -> None:
        """Count the spans of a request by tenant; those that were not stored by reason."""

    def refused_bytes(self, tenant: str, reason: str, size: int) -> None:
        """Count the bytes of a request that was refused before its spans were counted."""

    def usage(self, tenant: str, used: Usage, most: int) -> None:
        """Count the bytes of a tenant's spans by attributes; of labels beyond ``most`` together."""

    def truncated(self, tenant: str, attributes: int) -> None:
        """Count a tenant's attributes whose key or value was cut off."""

    def written(self, *, blocks: int, size: int) -> None:
        """Count blocks that ingest wrote; size in bytes."""

    def time_commit(self) -> AbstractContextManager[None]:
        """Time a commit that succeeds."""


class Uncounted:
    """IngestMetrics that nobody reads."""

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
