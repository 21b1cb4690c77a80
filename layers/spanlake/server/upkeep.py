"""The maintenance of a server, composed from its settings; loaded after the ports are open."""

from spanlake.server.maintenance import LOOK_SECONDS, PLAN_SECONDS, Maintenance, MaintenancePolicy
from spanlake.server.storage import Store
from spanlake.settings.model import Config, replaced_seconds
from spanlake.store.tenant_limits import LimitsSource
from spanlake.telemetry.prometheus import Metrics

_IDLE_SECONDS = 600.0  # between plans for an unchanged day whose blocks are read from a table


def maintenance(config: Config, store: Store, metrics: Metrics, limits: LimitsSource) -> Maintenance:
    """Make the background maintenance of a store; the caller starts and closes it."""
    # A bucket has no size limit as a disk has, and reading a table's summary costs money.
    retention_bytes = None if config.objects else config.retention_bytes
    look_seconds = PLAN_SECONDS if config.index else LOOK_SECONDS
    policy = MaintenancePolicy(
        config.compaction,
        config.retention,
        retention_bytes,
        look_seconds,
        most_plan_seconds=_IDLE_SECONDS if config.index else PLAN_SECONDS,
        grace_seconds=replaced_seconds(config),
        garbage_share=config.garbage_share,
    )
    return Maintenance(store.objects, store.index, policy, metrics, limits)
