"""The parts of the Tempo API's application, which is imported and made when it is needed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from spanlake.api.authentication import AccessOf
from spanlake.ingest.misdirected import MisdirectionLog
from spanlake.ingest.tenant_work import TenantWork
from spanlake.server.storage import Store
from spanlake.settings.model import Config
from spanlake.store.tenant_limits import LimitsSource
from spanlake.telemetry.prometheus import Metrics


@dataclass(frozen=True, slots=True)
class TempoApi:
    """All that the application is made of."""

    config: Config
    store: Store
    unready_reason: Callable[[], str | None]
    metrics: Metrics
    limits: LimitsSource
    receivers: Sequence[BaseRoute]
    """The routes of other ports, which a page of the application lists."""
    others: Sequence[BaseRoute]
    """Routes behind those of the Tempo API."""
    access_of: AccessOf
    notices: MisdirectionLog
    work: TenantWork
    """Time that tenants take of the process."""
    started: float = field(default_factory=time.time)

    def load(self) -> ASGIApp:
        """Make the application; raises StoreError."""
        from spanlake.server.application import application  # takes longer than all else of a server's start

        return application(self)
