"""Log lines about senders: each service once, each reason once a minute."""

import logging
from typing import Any

import pyarrow as pa
import pytest

from spanlake.ingest.sender_log import SenderLog
from spanlake.spans.otlp.validate import REASONS


def spans(*services: str | None) -> pa.Table:
    return pa.table({"service_name": pa.array(services, pa.string())})


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "spanlake")
    return caplog


def told(logged: pytest.LogCaptureFixture, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(vars(record)[name] for name in names) for record in logged.records]


def test_each_service_of_a_tenant_is_logged_once(logged: pytest.LogCaptureFixture) -> None:
    log = SenderLog()
    log.stored("a", spans("cart", "cart", None))
    log.stored("a", spans("cart", "pay"))
    log.stored("b", spans("cart"))
    assert told(logged, "tenant", "service") == [("a", "cart"), ("a", ""), ("a", "pay"), ("b", "cart")]


def test_services_in_dictionaries_are_logged_once(logged: pytest.LogCaptureFixture) -> None:
    log = SenderLog()
    for services in (["a", None], ["a"], ["a", "b"], [None]):
        names = pa.array(services, pa.string()).dictionary_encode()
        log.stored("acme", pa.table({"service_name": names}))
    assert [record.service for record in logged.records] == ["a", "", "b"]  # type: ignore[attr-defined]


def test_lines_about_services_are_bounded(logged: pytest.LogCaptureFixture) -> None:
    log = SenderLog()
    log.stored("a", spans(*(f"service-{number}" for number in range(1000))))
    log.stored("a", spans("x" * 10_000))
    assert len(logged.records) == 200
    SenderLog().stored("a", spans("x" * 10_000))
    assert told(logged, "service")[-1] == ("x" * 200,)


def test_reason_is_logged_again_after_a_minute(logged: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    log = SenderLog(lambda: now[0])
    for _ in range(3):
        log.rejected("a", {"too_old": 2, "malformed": 1})
    now[0] += 59
    log.rejected("b", {"too_old": 7})
    now[0] += 1
    log.rejected("b", {"too_old": 8})
    first = [("a", 2, REASONS["too_old"]), ("a", 1, REASONS["malformed"])]
    assert told(logged, "tenant", "spans", "reason") == [*first, ("b", 8, REASONS["too_old"])]
