"""Measures the time from the start of a function's process to its first answer, and the imports that it goes to."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

from rich.table import Table
from tests.aws.local.instance import Function

from bench.measure.functions import Lake, asked, lake, sent, timed
from bench.measure.processes import usage
from bench.measure.report import console
from bench.measure.runtime import build
from bench.workload.generate import SMALL, Workload, bodies

_ROUNDS = 9
_PACKAGES = 12
"""Number of packages in the table of imports."""
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


@dataclass(frozen=True)
class Start:
    """Seconds."""

    initialized: float
    """Until the process asked for an event: what a snapshot saves."""
    answered: float
    """Until it had answered the first one."""
    cpu: float
    """CPU time of the process until the first answer, user and system; on a busy machine the better measure."""


async def start(place: Lake, function: Function, event: bytes) -> Start:
    """Starts the function once; raises RuntimeError when the first event is refused."""
    begin = time.perf_counter()
    async with place.instance(function) as instance:
        initialized = time.perf_counter() - begin
        first = await timed(instance, event)
        answered = time.perf_counter() - begin
        cpu = usage(instance.pid).cpu_seconds
    if first.status != 200:
        raise RuntimeError(f"{function.name}: {first.status} {first.body[:500]!r}")
    return Start(initialized, answered, cpu)


def imports(function: Function) -> Counter[str]:
    """Seconds by package, of a process that imports the handler: without what its modules import in turn."""
    command = [*function.python, "-X", "importtime", "-c", "import handler"]
    environment = os.environ | function.environment | {"AWS_LAMBDA_FUNCTION_NAME": function.name}
    done = subprocess.run(
        command,
        cwd=function.folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    spent: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(done.stderr):
        spent[_package(module)] += int(microseconds)
    return spent


def _package(module: str) -> str:
    top = module.partition(".")[0]
    return "the standard library" if top.lstrip("_") in {name.lstrip("_") for name in sys.stdlib_module_names} else top


def _starts(place: Lake, function: Function, event: bytes) -> list[Start]:
    return [asyncio.run(start(place, function, event)) for _ in range(_ROUNDS)]


def _cells(starts: Iterable[Start]) -> list[str]:
    measured = list(starts)
    times = list(zip(*map(astuple, measured), strict=True))
    shown = [*map(statistics.median, times), *map(min, times[1:])]
    return [f"{seconds * 1000:,.0f}" for seconds in shown]


def main() -> None:
    """Measures and prints the tables."""
    body = next(bodies(Workload(SMALL, SMALL).file()))
    events: Mapping[str, bytes] = {"ingest": sent(body), "query": asked("/api/search", {"q": "{ }"})}
    starts = Table(
        "function", "bytecode", title="First start", caption=f"Milliseconds of {_ROUNDS} starts, medians and best."
    )
    for column in ("initialized", "first answer", "CPU", "best answer", "best CPU"):
        starts.add_column(column, justify="right")
    spent = Table("package", title="Imports", caption=f"Milliseconds of the modules themselves, median of {_ROUNDS}.")
    screen = console()
    columns: dict[str, dict[str, float]] = {}
    with lake(build()) as place, tempfile.TemporaryDirectory() as nowhere, screen.status("starting and importing"):
        from_source = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": nowhere}
        for name, event in events.items():
            for bytecode, variables in (("compiled", {}), ("none", from_source)):
                function = place.function(name, variables=variables)
                starts.add_row(name, bytecode, *_cells(_starts(place, function, event)))
            columns[name] = _medians([imports(place.function(name)) for _ in range(_ROUNDS)])
            spent.add_column(name, justify="right")
    for package in _largest(columns.values()):
        spent.add_row(package, *(f"{column.get(package, 0) / 1000:,.0f}" for column in columns.values()))
    spent.add_row("all", *(f"{sum(column.values()) / 1000:,.0f}" for column in columns.values()))
    screen.print(starts)
    screen.print(spent)


def _medians(measured: list[Counter[str]]) -> dict[str, float]:
    packages = {package for one in measured for package in one}
    return {package: statistics.median(one[package] for one in measured) for package in packages}


def _largest(columns: Iterable[Mapping[str, float]]) -> list[str]:
    most: Counter[str] = Counter()
    for column in columns:
        for package, microseconds in column.items():
            most[package] = max(most[package], round(microseconds))
    return [package for package, _ in most.most_common(_PACKAGES)]


if __name__ == "__main__":
    main()
