"""A querier as an operator's settings want it."""

from pathlib import Path

from spanlake.query.engine.block_cache import USUAL_CACHE, BlockCache, CachePolicy
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.limits import Limits
from spanlake.query.querier import Querier
from spanlake.query.scan.checksums import BlockChecks
from spanlake.query.scan.offload import Offload
from spanlake.query.scan.unread_blocks import MissingBlocks
from spanlake.settings.model import QueryLimits
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import linked_directories
from spanlake.traceql.validate import SizeLimits


def open_querier(
    objects: Objects,
    index: Index,
    allowed: QueryLimits,
    directory: Path | None,
    offload: Offload | None = None,
    missing: MissingBlocks | None = None,
    cache: CachePolicy = USUAL_CACHE,
) -> Querier:
    """Return a querier over blocks in a directory, or in S3 where there is none; raises StoreError.

    Ranges that are too large for this process are offloaded, if there is an engine for them.
    """
    limits = limits_of(allowed)
    sizes = SizeLimits(spansets=allowed.spansets, terms=allowed.terms)
    missing = missing or MissingBlocks()
    if directory is not None:
        places = [str(directory.resolve()), *map(str, linked_directories(directory))]
        return Querier(index, objects, DuckDB(places, limits), sizes, offload, missing=missing)
    from spanlake.query.engine.httpfs import HttpfsCredentials  # drags in botocore
    from spanlake.store.objects.s3 import S3Objects

    assert isinstance(objects, S3Objects)
    copies = BlockCache(objects, limits.seconds, cache)
    duck = DuckDB([str(copies.directory)], limits, HttpfsCredentials(objects))
    checks = BlockChecks(objects.digest)
    return Querier(index, objects, duck, sizes, offload, copies, is_index_far=True, checks=checks, missing=missing)


def limits_of(allowed: QueryLimits) -> Limits:
    """Return the limits of each query that settings allow."""
    return Limits(
        seconds=allowed.seconds,
        memory_bytes=allowed.memory_bytes,
        spans=allowed.spans,
        series=allowed.series,
        points=allowed.points,
    )
