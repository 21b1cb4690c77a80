"""Tests the rules of every bill, whatever was measured."""

import pytest
from bench.cost import prices
from bench.cost.bill import Bill
from bench.cost.deployment import DAYS, SPANS_A_TRACE, Load, Model, tempo, xray
from bench.cost.results import Measured, Merging, QueryCost, Requests

SIZES = (10, 50, 100, 300, 512, 1000, 4000)


def requests(spans: int) -> Requests:
    """Of the order of what was measured."""
    return Requests(
        spans=spans,
        body_bytes=2000 + 320 * spans,
        seconds=0.05,
        slowest_seconds=0.2,
        cpu_seconds=0.016 + spans * 15e-6,
        peak_memory=120_000_000,
        log_bytes=445,
        object_bytes=10_000 + 45 * spans,
        s3_puts=1,
        write_units=1,
        read_units=0,
    )


def merging(spans: int) -> Merging:
    return Merging(
        spans=spans,
        blocks=100,
        cpu_seconds=0.006 + spans * 1e-5,
        s3_gets=1,
        write_units=3,
        read_units=2,
        plan_read_units=0.1,
        bytes_a_span=38,
    )


MODEL = Model(
    Measured(
        date="2026-11-26",
        machine="any",
        memory_mib=1024,
        requests=[requests(spans) for spans in (10, 100, 1000)],
        mergings=[merging(spans) for spans in (100, 1000)],
        spans_asked=1,
        queries=[QueryCost("search", "{ }", 1.0, 0.1, 0.1, 200_000_000, 30)],
    )
)


def test_without_spans_nothing_is_charged_for_but_the_secret() -> None:
    bill = MODEL.functions(Load(0, 512))
    assert bill.without(prices.SECRET).dollars < 0.01
    assert bill.without(prices.SECRET).dollars_charged == 0
    assert bill.dollars == pytest.approx(0.40, abs=0.01)


@pytest.mark.parametrize("millions", [1, 100])
def test_larger_requests_cost_less(millions: int) -> None:
    dollars = [MODEL.functions(Load(millions * 1e6, size)).dollars for size in SIZES]
    assert dollars == sorted(dollars, reverse=True)


@pytest.mark.parametrize("millions", [1, 100])
@pytest.mark.parametrize("deployment", [MODEL.functions, MODEL.edge, tempo])
def test_more_spans_cost_more(millions: int, deployment: object) -> None:
    assert callable(deployment)
    assert deployment(Load(millions * 1e6, 512)).dollars > deployment(Load(millions * 5e5, 512)).dollars


def test_what_lies_between_two_sizes_costs_what_lies_between() -> None:
    halfway = MODEL.taken_in(Load(1e6, 550)).units[prices.LAMBDA_TIME] * 550
    around = [MODEL.taken_in(Load(1e6, size)).units[prices.LAMBDA_TIME] * size for size in (100, 1000)]
    assert min(around) < halfway < max(around)


def test_what_is_free_is_taken_off_and_never_more() -> None:
    bill = Bill.of((prices.METRIC, 12), (prices.METRIC, 3), (prices.ALARM, 5), (prices.SECRET, 1))
    assert bill.dollars == pytest.approx(15 * 0.30 + 5 * 0.10 + 0.40)
    assert bill.dollars_charged == pytest.approx(5 * 0.30 + 0.40)


def test_bills_add_up() -> None:
    one, other = Bill.of((prices.S3_PUT, 1e6)), Bill.of((prices.S3_PUT, 1e6), (prices.S3_GET, 1e6))
    assert (one + other).units == {prices.S3_PUT: 2e6, prices.S3_GET: 1e6}
    assert [price for price, _ in (one + other).lines()] == [prices.S3_PUT, prices.S3_GET]


@pytest.mark.parametrize(("millions", "dollars", "charged"), [(1, 0.505, 0.0), (10, 5.05, 4.5), (100, 50.5, 49.5)])
def test_xray_is_charged_for_by_the_trace(millions: float, dollars: float, charged: float) -> None:
    bill = xray(Load(millions * 1e6 / DAYS, 512))
    assert bill.units[prices.XRAY_RECORDED] == pytest.approx(millions * 1e6 / SPANS_A_TRACE)
    assert (bill.dollars, bill.dollars_charged) == pytest.approx((dollars, charged))


@pytest.mark.parametrize("millions", [10, 100])
def test_many_spans_cost_less_than_in_xray(millions: float) -> None:
    load = Load(millions * 1e6 / DAYS, 512)
    assert MODEL.functions(load).dollars < xray(load).dollars
