"""Composes ingest for a server process from its settings: the interface for receivers, and the commits behind it."""

from dataclasses import dataclass
from functools import partial

from spanlake.ingest.admission import Admission
from spanlake.ingest.group_commit import GroupCommit
from spanlake.ingest.service import Destination, Ingest, group_commit
from spanlake.receivers import otlp
from spanlake.server.storage import Store
from spanlake.settings.model import Config
from spanlake.store.writer import write, write_deleted
from spanlake.telemetry.prometheus import Metrics


@dataclass(frozen=True, slots=True)
class Intake:
    """Ingest and its commits; the caller starts and closes ``commits``."""

    ingest: Ingest
    commits: GroupCommit


def intake(config: Config, store: Store, metrics: Metrics) -> Intake:
    """Compose ingest for this store."""
    limits = config.ingest
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    metrics.observe_flight(lambda: admission.bytes_in_flight)
    objects, index = store.objects, store.index
    to = Destination(partial(write, objects, index), partial(write_deleted, objects, index), index.deletions)
    commits = group_commit(otlp.read, to, limits, config.retention, metrics)
    return Intake(Ingest(admission, commits.submit, limits, metrics), commits)
