"""A row of small bars."""

from collections.abc import Iterable

from spanlake.cli.render.numbers import mean


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
