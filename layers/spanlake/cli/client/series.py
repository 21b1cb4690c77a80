"""The answer to a metrics query: time series."""

import math
from dataclasses import dataclass

from spanlake.cli.client import json
from spanlake.cli.client.json import Attributes, attributes_in


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


def parse_series(given: json.Object) -> AllSeries:
    """Read tempopb.QueryRangeResponse or QueryInstantResponse in JSON; raises MalformedAnswer."""
    return AllSeries(
        tuple(Series(attributes_in(item, "labels"), _samples(item)) for item in json.objects(given, "series")),
        json.text(given, "message"),
    )


def _samples(given: json.Object) -> tuple[tuple[int, float], ...]:
    if "value" in given:
        return ((0, json.number(given, "value")),)
    samples = ((json.whole(item, "timestampMs"), json.number(item, "value")) for item in json.objects(given, "samples"))
    return tuple(sorted(sample for sample in samples if math.isfinite(sample[1])))
