"""Admission: what is in flight never exceeds the budget, and everything taken comes back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.ingest.admission import Admission
from spanlake.ingest.errors import Overloaded


def test_admission_refuses_requests_beyond_limit_until_release() -> None:
    admission = Admission(max_requests=2, max_bytes=100)
    first = admission.admit()
    with admission.admit(), pytest.raises(Overloaded, match="2 requests"):
        admission.admit()
    with admission.admit(), first:
        pass
    admission.admit()


def test_admission_refuses_bytes_beyond_limit_without_reserving() -> None:
    admission = Admission(max_requests=9, max_bytes=100)
    with admission.admit() as one, admission.admit() as other:
        one.reserve(60)
        with pytest.raises(Overloaded, match="60 bytes"):
            other.reserve(41)
        other.reserve(40)
        assert admission.bytes_in_flight == 100
        one.shrink(10)
        other.reserve(10)


def test_admission_releases_reservation_of_failed_request() -> None:
    admission = Admission(max_requests=1, max_bytes=100)
    with suppress(ZeroDivisionError), admission.admit() as place:
        place.reserve(70)
        raise ZeroDivisionError
    assert admission.bytes_in_flight == 0
    admission.admit()


@given(st.lists(st.integers(0, 60), max_size=30))
def test_admission_never_exceeds_budget_in_any_order(sizes: list[int]) -> None:
    admission = Admission(max_requests=99, max_bytes=100)
    with admission.admit() as place:
        for size in sizes:
            before = admission.bytes_in_flight
            try:
                place.reserve(size)
            except Overloaded:
                assert before + size > 100
                assert admission.bytes_in_flight == before
            assert admission.bytes_in_flight <= 100
    assert admission.bytes_in_flight == 0


def test_slow_arrival_loses_its_bytes_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr("spanlake.ingest.admission.monotonic", lambda: now)
    admission, lost = Admission(max_requests=9, max_bytes=1 << 20), []
    with admission.arrive(lambda: lost.append("slow")) as slow:
        slow.reserve(600 << 10)
        now = 13.0
        with admission.arrive(lambda: lost.append("fast")) as fast, admission.admit() as place:
            fast.reserve(300 << 10)
            place.reserve(200 << 10)
            assert lost == ["slow"]
            with pytest.raises(Overloaded, match="too slowly"):
                slow.reserve(1)
            with pytest.raises(Overloaded, match="too slowly"):
                slow.complete()
            with pytest.raises(Overloaded, match="in flight"):
                place.reserve(600 << 10)
            fast.complete()
    assert admission.bytes_in_flight == 0


def test_arrival_takes_place_when_complete() -> None:
    admission = Admission(max_requests=1, max_bytes=100)
    with admission.arrive(lambda: None) as first, admission.arrive(lambda: None) as second:
        first.complete()
        with pytest.raises(Overloaded, match="1 requests"):
            second.complete()
    admission.admit()
