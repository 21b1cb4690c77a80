"""The way in of a server process, composed from its settings: what receivers need, and what stores their requests."""

from dataclasses import dataclass
from functools import partial

from spanlake.config import Config
from spanlake.ingest.admission import Admission
from spanlake.ingest.group import GroupCommit
from spanlake.ingest.service import Ingest, group_commit
from spanlake.metrics import Metrics
from spanlake.receivers import otlp
from spanlake.serve.storage import Store
from spanlake.store.writer import write


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes requests in; the caller starts and closes ``commits``."""

    ingest: Ingest
    commits: GroupCommit


def intake(config: Config, store: Store, metrics: Metrics) -> Intake:
    """The way into this store."""
    limits = config.ingest
    admission = Admission(max_requests=limits.flight_requests, max_bytes=limits.flight_bytes)
    metrics.observe_flight(lambda: admission.bytes_in_flight)
    commits = group_commit(otlp.read, partial(write, store.objects, store.index), limits, config.retention, metrics)
    return Intake(Ingest(admission, commits.submit, limits, metrics), commits)
