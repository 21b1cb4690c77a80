"""Storage and ingestion of a process, composed from its settings: shared by `spanlake serve` and the edge."""

import logging
from dataclasses import dataclass
from functools import partial

from spanlake.ingest.admission import Admission
from spanlake.ingest.log_recovery import log_destination
from spanlake.ingest.rates import IngestRates
from spanlake.ingest.service import Commits, Destination, Ingest, Tenants, group_commit
from spanlake.ingest.tenant_work import TenantWork
from spanlake.receivers import otlp
from spanlake.settings.model import Config
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import StoreError
from spanlake.store.identity import check_identity
from spanlake.store.index.base import Index
from spanlake.store.maintenance.reindex import reindex
from spanlake.store.objects.base import Objects
from spanlake.store.open import open_index, open_objects
from spanlake.store.tenant_limits import LimitsSource, NoLimits, columns_of, limits_of
from spanlake.store.write import write, write_deleted
from spanlake.telemetry.prometheus import Metrics, StoreTotals

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """Objects and index of a server."""

    objects: Objects
    index: Index

    def totals(self) -> StoreTotals | None:
        """Return the totals of live blocks of all tenants and days; None when the index does not answer."""
        try:
            with limited(REQUEST_SECONDS):
                summary = self.index.summary()
        except StoreError:
            return None
        return StoreTotals(
            blocks=sum(day.blocks for day in summary),
            spans=sum(day.spans for day in summary),
            size=sum(day.size for day in summary),
        )


def open_store(config: Config) -> Store:
    """Open the storage: on AWS where URLs are set, otherwise in a directory, which is created if missing.

    In the directory blocks are below ``spans``, the index beside them. Raises StoreError.
    """
    objects = open_objects(config.objects, config.data)
    index = open_index(config.index, config.data, config.retention)
    try:
        check_identity(objects, index)
    except StoreError:
        index.close()
        raise
    return Store(objects, index)


def take_in(config: Config, store: Store) -> None:
    """Add blocks of a directory without an index entry to its index; raises StoreError.

    A killed writer leaves objects without an entry. Blocks also lose their entries with the index's write-ahead log, or
    when an older copy of the index is restored.
    """
    if config.objects or config.index:
        return
    done = reindex(store.objects, store.index)
    if done.added:
        _log.warning("blocks without an index entry added", extra={"blocks": len(done.added)})


@dataclass(frozen=True, slots=True)
class IngestService:
    """Ingest and its commits; the caller starts and closes ``commits``."""

    ingest: Ingest
    commits: Commits
    work: TenantWork
    """Time that tenants take of the process."""


def ingest_service(
    config: Config,
    store: Store,
    metrics: Metrics,
    tenant_limits: LimitsSource | None = None,
    *,
    is_logged: bool = False,
) -> IngestService:
    """Compose ingest for this store, with a write-ahead log if that is wanted and the store is in a directory."""
    limits, source = config.ingest, tenant_limits or NoLimits()
    of_tenant, columns = limits_of(source), columns_of(source)
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    metrics.observe_flight(lambda: admission.bytes_in_flight)
    objects, index = store.objects, store.index
    to = Destination(
        partial(write, objects, index, columns_of=columns),
        partial(write_deleted, objects, index, columns_of=columns),
        index.deletions,
    )
    is_local = not config.objects and not config.index
    log = log_destination(config.data, store.objects, store.index, columns) if is_logged and is_local else None
    work = TenantWork(has_rate=lambda tenant: of_tenant(tenant).ingest_rate is not None)
    tenants = Tenants(of_tenant, work)
    commits = group_commit(otlp.read, to, limits, config.retention, metrics, tenants, log)
    ingest = Ingest(admission, commits.groups.submit, limits, metrics, rates=IngestRates(of_tenant))
    return IngestService(ingest, commits, work)
