"""Log lines about what senders send: the first spans of each service, and the reasons why spans are rejected."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array
from spanlake.spans.otlp.validate import REASONS

_log = logging.getLogger("spanlake")

_MINUTE = 60.0  # seconds
_MOST_SERVICES = 200  # with a line each; senders choose their names
_LONGEST_NAME = 200  # characters


@dataclass(slots=True)
class SenderLog:
    """Lines about senders; safe to use from several threads, which may now and then both write a line."""

    clock: Callable[[], float] = time.monotonic
    _services: set[tuple[str, str | None]] = field(default_factory=set)
    _rejected: dict[str, float] = field(default_factory=dict)  # time of the last line by reason

    def stored(self, tenant: str, spans: pa.Table) -> None:
        """Log each service of a tenant once, at most 200 of them."""
        if len(self._services) >= _MOST_SERVICES:
            return
        column = spans["service_name"]
        if all(self._has_all(tenant, chunk) for chunk in column.chunks):
            return
        names: list[str | None] = pc.unique(column).to_pylist()
        for name in names:
            if (tenant, name) not in self._services and len(self._services) < _MOST_SERVICES:
                self._services.add((tenant, name))
                _log.info("first spans of a service", extra={"service": (name or "")[:_LONGEST_NAME], "tenant": tenant})

    def _has_all(self, tenant: str, names: Array) -> bool:
        """Return True where all names in the dictionary of these are logged already, and so is a span without one."""
        if not isinstance(names, pa.DictionaryArray):
            return False
        every = names.dictionary.to_pylist() + [None] * bool(names.null_count)
        return all((tenant, name) in self._services for name in every)

    def rejected(self, tenant: str, reasons: Mapping[str, int]) -> None:
        """Log each reason why spans of a request are rejected, unless it was logged within the last minute."""
        for reason, spans in reasons.items():
            now = self.clock()
            if now - self._rejected.get(reason, -_MINUTE) >= _MINUTE:
                self._rejected[reason] = now
                told = REASONS.get(reason, reason)
                _log.warning("spans rejected", extra={"reason": told, "spans": spans, "tenant": tenant})
