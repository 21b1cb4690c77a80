"""The incident of the demo: a version of the payment service, in one region, that runs out of database connections."""

from dataclasses import dataclass
from random import Random

from spanlake.cli.demo.operation import Failure, Operation
from spanlake.cli.demo.shop import POOL

SERVICE, VERSION, REGION = "payment", "3.2.0", "eu-west-1"
_FAILS = 0.55
_TIMEOUT = Failure(
    1.0,
    "PoolTimeoutException",
    "no connection to the ledger within 3000 ms: 10 of 10 are in use",
    {"db.client.connection.pool.name": "ledger"},
)


@dataclass(frozen=True)
class Change:
    """Changes to an operation: a version of its service, a delay, and a failure."""

    version: str = ""
    delay_ms: int = 0
    failure: Failure | None = None


_NONE = Change()


@dataclass(frozen=True)
class Incident:
    """The time in which the bad version ran, in Unix nanoseconds."""

    start_ns: int
    end_ns: int

    def change(self, operation: Operation, region: str, at_ns: int, random: Random) -> Change:
        """Return the change of an operation in a region at a time."""
        if operation.service != SERVICE or region != REGION or not self.start_ns <= at_ns < self.end_ns:
            return _NONE
        if operation.name != POOL:
            return Change(VERSION)
        if random.random() < _FAILS:
            return Change(VERSION, 3000, _TIMEOUT)
        return Change(VERSION, random.randrange(200, 2600))
