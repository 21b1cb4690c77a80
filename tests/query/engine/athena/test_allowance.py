"""The bytes that Athena may read for a tenant on a day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import pytest

from spanlake.query.engine.athena.allowance import DailyAllowance
from spanlake.query.engine.athena.engine import Athena
from spanlake.query.engine.athena.table import GlueTable
from spanlake.query.limits import OF_TENANT, Cancelled, LimitExceeded, LimitsOfTenant
from spanlake.store.errors import StorageUnavailable


@dataclass
class Meter:
    """A meter in memory, which fails while it is told to."""

    read: Counter[tuple[str, date]] = field(default_factory=Counter)
    is_failing: bool = False

    def scanned(self, tenant: str, day: date) -> int:
        """The bytes of a day."""
        return self.read[tenant, day]

    def add_scanned(self, tenant: str, day: date, size: int) -> None:
        """Add to the bytes of a day."""
        if self.is_failing:
            raise StorageUnavailable("away")
        self.read[tenant, day] += size


@dataclass
class Workgroup:
    """A workgroup in which every query reads 60 bytes and has no rows."""

    state: str = "SUCCEEDED"
    started: int = 0

    def start_query_execution(self, **_: Any) -> dict[str, str]:
        """Start a query."""
        self.started += 1
        return {"QueryExecutionId": str(self.started)}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        """Tell how a query ended."""
        statistics = {"DataScannedInBytes": 60}
        return {"QueryExecution": {"Status": {"State": self.state}, "Statistics": statistics}}

    def get_query_results(self, **_: Any) -> dict[str, Any]:
        """Return the names of columns."""
        return {"ResultSet": {"Rows": [{"Data": [{"VarCharValue": "n"}]}]}}

    def stop_query_execution(self, **_: Any) -> None:
        """Stop a query."""


TODAY, TOMORROW = date(2026, 11, 30), date(2026, 12, 1)


@dataclass
class Asked:
    """An engine with an allowance."""

    meter: Meter = field(default_factory=Meter)
    workgroup: Workgroup = field(default_factory=Workgroup)
    day: date = TODAY

    def ask(self, *, is_cancelled: bool = False) -> object:
        """Run a query."""
        allowance = DailyAllowance(self.meter, lambda: self.day)
        engine = Athena(cast("Any", self.workgroup), "w", GlueTable("d", "t"), pause=0.0, allowance=allowance)

        def check() -> None:
            if is_cancelled and self.workgroup.started:
                raise Cancelled

        return engine._rows("SELECT 1", 1, check)


@pytest.fixture
def asked() -> Iterator[Asked]:
    token = OF_TENANT.set(LimitsOfTenant(tenants=("a", "b"), athena_bytes=100))
    yield Asked()
    OF_TENANT.reset(token)


def test_queries_are_refused_once_the_bytes_of_the_day_are_read(asked: Asked) -> None:
    assert asked.ask() == asked.ask() == []
    assert asked.meter.read == {("a", TODAY): 120, ("b", TODAY): 120}
    with pytest.raises(LimitExceeded, match=r"120 bytes .* tenant a today \(limit: 100\)"):
        asked.ask()
    assert asked.workgroup.started == 2
    asked.day = TOMORROW
    assert asked.ask() == []


def test_any_tenant_of_the_query_may_have_used_its_bytes_up(asked: Asked) -> None:
    asked.meter.read["b", TODAY] = 100
    with pytest.raises(LimitExceeded, match="tenant b"):
        asked.ask()


def test_what_failed_or_was_stopped_counts(asked: Asked) -> None:
    with pytest.raises(Cancelled):
        asked.ask(is_cancelled=True)
    asked.workgroup.state = "FAILED"
    with pytest.raises(Exception, match="failed there"):
        asked.ask()
    assert asked.meter.read["a", TODAY] == 120


def test_answers_do_not_depend_on_the_count(asked: Asked) -> None:
    asked.meter.is_failing = True
    assert asked.ask() == []


def test_tenants_without_a_limit_are_not_counted(asked: Asked) -> None:
    OF_TENANT.set(LimitsOfTenant(tenants=("a",)))
    assert asked.ask() == []
    assert not asked.meter.read
