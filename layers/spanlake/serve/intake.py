"""Composes ingest for a server process from its settings: the interface for receivers, and the commits behind it."""

from dataclasses import dataclass
from functools import partial

from spanlake.config import Config
from spanlake.ingest.admission import Admission
from spanlake.ingest.group import GroupCommit
from spanlake.ingest.service import Destination, Ingest, group_commit
from spanlake.metrics import Metrics
from spanlake.receivers import otlp
from spanlake.serve.storage import Store
from spanlake.store.writer import write, write_deleted


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
