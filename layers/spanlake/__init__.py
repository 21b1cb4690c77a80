"""Distributed traces in Parquet, behind the Grafana Tempo API.

``open`` reads a store from Python, as in a notebook, without a server.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from spanlake.dataset import Dataset

__all__ = ["open"]


def open(  # noqa: A001, it opens a store as open() opens a file
    data: "str | Path" = "data", *, objects: str = "", index: str = "", tenant: str = "single-tenant"
) -> "Dataset":
    """Open a store for questions: a data directory, or ``s3://bucket/prefix`` with ``dynamodb://table``.

    A server may run on it meanwhile. Raises StoreError where there is no store.
    """
    from spanlake.dataset import open_dataset

    return open_dataset(data, objects, index, tenant)
