"""Admission: what is in flight never exceeds the budget, and everything taken comes back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.ingest.admission import Admission
from spanlake.ingest.request import Overloaded


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
