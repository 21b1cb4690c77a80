"""Time series as a table with sparklines."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spanlake.cli.client.json import Value
from spanlake.cli.client.series import AllSeries, Series
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import mean, moment, number
from spanlake.cli.render.terminal import NARROW, glyphs
from spanlake.cli.render.text import GAP, cut, label, show, show_items
from spanlake.cli.render.units import Write


def sparkline(samples: Iterable[tuple[int, float]], start: int, end: int, width: int, levels: str) -> str:
    """Draw the mean of the samples in each of ``width`` equal parts of the time from ``start`` to ``end``.

    ``levels`` are characters from the lowest to the highest. The scale reaches from zero, or the least mean where that
    is negative, to the largest mean. A part without samples is a space.
    """
    parts: list[list[float]] = [[] for _ in range(width)]
    for when, value in samples:
        parts[_part(when, start, end, width)].append(value)
    means = [mean(part) if part else None for part in parts]
    known = [mean for mean in means if mean is not None]
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    return "".join(" " if mean is None else _level(mean, low, high, levels) for mean in means)


def _part(when: int, start: int, end: int, width: int) -> int:
    if end <= start:
        return 0
    return min(width - 1, max(0, (when - start) * width // (end - start)))


def _level(value: float, low: float, high: float, levels: str) -> str:
    # Divided first: the difference of two large numbers may be infinite.
    scale = max(abs(low), abs(high))
    if not scale:
        return levels[0]
    share = (value / scale - low / scale) / (high / scale - low / scale)
    return levels[round(share * (len(levels) - 1))]


_NAME = "__name__"
_SPARKLINE_SHARE, _LEAST_SPARKLINE = 4, 8  # share of the terminal's columns (one in), and the minimum
_MILLISECOND = 1_000_000


def show_series(console: Console, answer: AllSeries, write: Write = number) -> None:
    """Print the series in the order of their labels, and the time range of their sparklines."""
    ordered = sorted(answer.series, key=_order)
    if console.width < NARROW:
        _show_lines(console, ordered, write)
        return
    times = {when for series in ordered for when, _ in series.samples} or {0}
    keys = _shared_keys(ordered)
    table = _table(", ".join(map(label, keys)) or "Series", ["Last", "Min", "Max", "Avg"])
    table.add_column("Over time", no_wrap=True)
    width = min(len(times), max(_LEAST_SPARKLINE, console.width // _SPARKLINE_SHARE))
    for series in ordered:
        drawn = sparkline(series.samples, min(times), max(times), width, glyphs(console).levels)
        table.add_row(*(Text(cell) for cell in (_name(series, keys), *_figures(series.values, write), drawn)))
    console.print(table)
    span = f"from {moment(min(times) * _MILLISECOND)} to {moment(max(times) * _MILLISECOND)}"
    show(console, Text(f"{len(ordered):,} series {span}. {cut(printable(answer.note))}", "dim"))


def _show_lines(console: Console, ordered: Sequence[Series], write: Write) -> None:
    for series in ordered:
        show_items(console, [Text(_name(series, ()), "cyan")], Text())
        figures = zip(("last", "min", "max", "avg"), _figures(series.values, write), strict=True)
        show_items(console, [Text(f"{figure} {value}") for figure, value in figures], GAP)


def show_values(console: Console, answer: AllSeries, write: Write = number) -> None:
    """Print the one value of each series, in the order of their labels."""
    ordered = sorted(answer.series, key=_order)
    keys = _shared_keys(ordered)
    table = _table(", ".join(map(label, keys)) or "Series", ["Value"])
    for series in ordered:
        table.add_row(Text(_name(series, keys)), Text(write(series.values[-1]) if series.values else "-"))
    console.print(table)
    if answer.note:
        show(console, Text(cut(printable(answer.note)), "dim"))


def _table(heading: str, figures: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(Text(heading), overflow="fold", style="cyan")
    for figure in figures:
        table.add_column(figure, justify="right", no_wrap=True)
    return table


def _figures(values: Sequence[float], write: Write) -> Iterable[str]:
    if not values:
        return ("-",) * 4
    return (write(value) for value in (values[-1], min(values), max(values), mean(values)))


def _shared_keys(all_series: Sequence[Series]) -> tuple[str, ...]:
    """Return the keys of the labels if every series has the same, so that they can be the heading; empty otherwise."""
    keys = {tuple(key for key, _ in series.labels) for series in all_series}
    shared = keys.pop() if len(keys) == 1 else ()
    return () if shared == (_NAME,) else shared


def _name(series: Series, keys: tuple[str, ...]) -> str:
    if keys or all(key == _NAME for key, _ in series.labels):
        return ", ".join(label(value) for _, value in series.labels)
    return ", ".join(f"{label(key)}={label(value)}" for key, value in series.labels)


def _order(series: Series) -> list[tuple[str, bool, float, str]]:
    """Return the sort key: the labels, with numbers by size, such as the buckets of a histogram."""
    return [(key, *_value_order(value)) for key, value in series.labels]


def _value_order(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return False, value, ""
    return True, 0.0, label(value)
