"""Dollars a month for spanlake on AWS, with and without the edge, beside Tempo: from measured results."""

import sys
from collections.abc import Iterator

from rich.table import Table

from bench.cost import prices
from bench.cost.bill import Bill
from bench.cost.deployment import DAYS, RETENTION_DAYS, SPANS_A_TRACE, Load, Model, tempo, xray
from bench.cost.results import FILE, Measured
from bench.measure.report import console

_MILLIONS = (0, 1, 100)
_MILLIONS_A_MONTH = (1, 10, 100)
_USUAL = 512
"""Spans in a request: what the SDKs of OpenTelemetry send at most unless they are told otherwise."""
_SIZES = (10, 50, 100, 200, 512, 1000, 4000)
_AIM = 0.10
"""Dollars a million spans."""
_LINES = 14
_QUERIES = 1000


def overview(model: Model) -> Table:
    """Each load in each deployment."""
    table = Table(
        "million spans a day", title=f"Dollars a month, {_USUAL} spans a request, kept for {RETENTION_DAYS} days"
    )
    for column in ("functions", "a million", "less what is free", "with the edge", "Tempo"):
        table.add_column(column, justify="right")
    for millions in _MILLIONS:
        load = Load(millions * 1e6, _USUAL)
        functions = model.functions(load)
        table.add_row(
            str(millions), *_cells(functions, load), f"{model.edge(load).dollars:,.2f}", f"{tempo(load).dollars:,.2f}"
        )
    table.caption = (
        "Functions: by list prices. Less what is free: without what AWS charges no account for. Edge: all is sent to "
        "one Fargate task behind a load balancer. Tempo: one t4g.medium, no token, no TLS, no second machine."
    )
    return table


def _cells(bill: Bill, load: Load) -> Iterator[str]:
    yield f"{bill.dollars:,.2f}"
    yield f"{bill.dollars / load.a_month * 1e6:.3f}" if load.spans else ""
    yield f"{bill.dollars_charged:,.2f}"


def lines(model: Model) -> Table:
    """Tabulates the functions' monthly bill by item and by spans a day."""
    table = Table("what", title=f"The functions' bill, dollars a month, {_USUAL} spans a request")
    bills = {millions: dict(model.functions(Load(millions * 1e6, _USUAL)).lines()) for millions in _MILLIONS}
    for millions in _MILLIONS:
        table.add_column(f"{millions} million a day", justify="right")
    kinds = sorted(
        {price for bill in bills.values() for price in bill}, key=lambda price: -bills[_MILLIONS[-1]].get(price, 0)
    )
    for price in kinds[:_LINES]:
        table.add_row(price.what, *(f"{bill.get(price, 0):,.2f}" for bill in bills.values()))
    return table


def sizes(model: Model) -> Table:
    """Tabulates the cost of a million spans by the size of requests."""
    table = Table("spans a request", title="Dollars a million spans through the functions, by the size of requests")
    for millions in _MILLIONS[1:]:
        table.add_column(f"{millions} million a day", justify="right")
        table.add_column("less what is free", justify="right")
    for size in _SIZES:
        loads = [Load(millions * 1e6, size) for millions in _MILLIONS[1:]]
        bills = [(model.functions(load), load.a_month / 1e6) for load in loads]
        figures = [dollars / spans for bill, spans in bills for dollars in (bill.dollars, bill.dollars_charged)]
        table.add_row(f"{size:,}", *(f"{figure:.3f}" for figure in figures))
    smallest = [_smallest(model, millions) for millions in _MILLIONS[1:]]
    table.caption = f"The aim of {_AIM:.2f} is met from " + ", ".join(
        f"{size or 'no size'} spans a request on ({millions} million a day)"
        for millions, size in zip(_MILLIONS[1:], smallest, strict=True)
    )
    return table


def beside_xray(model: Model) -> Table:
    """Tabulates the month of spanlake and of X-Ray by spans a month."""
    table = Table(
        "million spans a month", title=f"Dollars a month, {_USUAL} spans a request, {SPANS_A_TRACE} spans a trace"
    )
    for column in ("spanlake", "less what is free", "X-Ray", "less what is free"):
        table.add_column(column, justify="right")
    for millions in _MILLIONS_A_MONTH:
        load = Load(millions * 1e6 / DAYS, _USUAL)
        bills = (model.functions(load), xray(load))
        table.add_row(
            str(millions), *(f"{dollars:,.2f}" for bill in bills for dollars in (bill.dollars, bill.dollars_charged))
        )
    return table


def _smallest(model: Model, millions: float) -> int | None:
    """The smallest request with which the aim is met, by list prices."""
    loads = (Load(millions * 1e6, size) for size in range(10, 10_000))
    met = (load for load in loads if model.functions(load).dollars / load.a_month * 1e6 < _AIM)
    return next((int(load.per_request) for load in met), None)


def main() -> None:
    """Prints the tables."""
    try:
        measured = Measured.load()
    except FileNotFoundError:
        sys.exit(f"there is no {FILE}: run python -m bench.measure.lambda first")
    model, screen = Model(measured), console()
    for table in (overview(model), lines(model), sizes(model), beside_xray(model)):
        screen.print(table)
    asked = model.asked(_QUERIES)
    screen.print(
        f"{_QUERIES:,} queries of the kinds measured, over {measured.spans_asked:,} spans: {asked.dollars:.2f} "
        f"dollars. Measured on {measured.date} ({measured.machine}); prices of {prices.DATE}."
    )


if __name__ == "__main__":
    main()
