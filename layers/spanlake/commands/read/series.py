"""The answer to a metrics query: time series."""

import math
from dataclasses import dataclass

from spanlake.commands.read import answer
from spanlake.commands.read.values import Attributes, attributes_in


@dataclass(frozen=True, slots=True)
class Series:
    """Values in order of time, without NaN and infinities."""

    labels: Attributes
    samples: tuple[tuple[int, float], ...]  # Unix milliseconds, value

    @property
    def values(self) -> list[float]:
        """The values without their times."""
        return [value for _, value in self.samples]


@dataclass(frozen=True, slots=True)
class AllSeries:
    """All series of an answer; ``note`` is a remark of the server, such as that it left some out."""

    series: tuple[Series, ...]
    note: str


def series_in(given: answer.Object) -> AllSeries:
    """Read tempopb.QueryRangeResponse in JSON; raises MalformedAnswer."""
    return AllSeries(
        tuple(Series(attributes_in(item, "labels"), _samples(item)) for item in answer.objects(given, "series")),
        answer.text(given, "message"),
    )


def _samples(given: answer.Object) -> tuple[tuple[int, float], ...]:
    samples = (
        (answer.whole(item, "timestampMs"), answer.number(item, "value")) for item in answer.objects(given, "samples")
    )
    return tuple(sorted(sample for sample in samples if math.isfinite(sample[1])))
