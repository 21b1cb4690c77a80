"""Counts the functions that a query passes from its route to the answer.

Each function of the package counts once, with its module; comprehensions, generator expressions and lambdas count as a
part of the function around them. A change between packages is a function called from one of another package: each pair
of functions counts once.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import httpx
from rich.table import Table

import spanlake
from bench.measure.report import console
from bench.workload.data_directory import fill
from bench.workload.generate import Workload
from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.query.open import open_querier
from spanlake.settings.model import QueryLimits
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects

_PACKAGE = str(Path(spanlake.__file__).parent) + "/"
_BLOCKS, _SPANS = 8, 8_000
_PARTS = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>")
_FIRST, _AFTER = "TypedRoute.get_route_handler.<locals>.handler", "_Sender.send"
"""The first function of a route, and the one that sends the answer, which does not count."""
_QUERIES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "search": ("/api/search", {"q": '{ resource.service.name = "frontend" } >> { status = error }', "limit": "20"}),
    "metrics": ("/api/metrics/query_range", {"q": "{ status = error } | rate() by (resource.service.name)"}),
}
_WARM_UP = '{ name = "checkout" && duration > 1ms } && { kind = server }'

Function = tuple[str, str, int]
"""Module, name, and first line."""


@dataclass
class Walk:
    """The functions that were called, and the pairs of functions of which one called the other."""

    functions: Counter[Function] = field(default_factory=Counter)
    calls: set[tuple[Function, Function]] = field(default_factory=set)
    is_on: bool = False

    def note(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call, as a profile function of ``sys.setprofile``."""
        if event != "call" or (function := _function(frame.f_code)) is None:
            return
        self.is_on = function[1] == _FIRST or (self.is_on and function[1] != _AFTER)
        if not self.is_on:
            return
        self.functions[function] += 1
        caller: FrameType | None = frame.f_back
        while caller is not None:
            if (known := _function(caller.f_code)) is not None:
                if known in self.functions:
                    self.calls.add((known, function))
                return
            caller = caller.f_back

    @property
    def modules(self) -> list[str]:
        """The modules of the functions."""
        return sorted({module for module, _, _ in self.functions})

    @property
    def changes(self) -> int:
        """Number of calls between packages."""
        return sum(_package(one) != _package(other) for one, other in self.calls)

    def between(self, one: str, other: str) -> int:
        """Return the number of calls between two packages, in either direction."""
        return sum({_package(caller), _package(called)} == {one, other} for caller, called in self.calls)


def _function(code: CodeType) -> Function | None:
    if not code.co_filename.startswith(_PACKAGE) or code.co_name in _PARTS:
        return None
    module = code.co_filename[len(_PACKAGE) :].removesuffix(".py").replace("/", ".")
    return module, code.co_qualname, code.co_firstlineno


def _package(function: Function) -> str:
    return function[0].partition(".")[0]


@contextmanager
def noting(walk: Walk) -> Iterator[None]:
    """Note the calls of all threads that start in the block, and of this one."""
    threading.setprofile(walk.note)
    sys.setprofile(walk.note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def walked(data: Path, query: str) -> Walk:
    """Send a query to an application over the data, after another query that loads what is loaded once."""
    path, params = _QUERIES[query]
    objects, index = LocalObjects(data), SqliteIndex(data / "index.sqlite")
    querier = open_querier(objects, index, QueryLimits(), data)
    app = create_app(tempo_routes(querier), ALL_ERRORS)
    blocks = index.find("single-tenant", 0, 2**63 - 1)
    bounds = {
        "start": str(min(block.start_ns for block in blocks) // 10**9),
        "end": str(max(block.end_ns for block in blocks) // 10**9 + 1),
    }
    walk = Walk()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench") as client:
        (await client.get("/api/search", params={"q": _WARM_UP, **bounds})).raise_for_status()
        await _end_workers()
        with noting(walk):
            (await client.get(path, params={**params, **bounds})).raise_for_status()
    index.close()
    return walk


async def _end_workers() -> None:
    """Have anyio start a thread for the next query: only new threads are noted."""
    from anyio._backends._asyncio import _threadpool_idle_workers

    idle = _threadpool_idle_workers.get()
    while idle:
        idle.pop().stop()


def main() -> None:
    """Prints the counts of each query, and the functions if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", action="store_true", help="print the functions, and how often each is called")
    options = parser.parse_args()
    table = Table("query", "functions", "modules", "calls between packages", "of these query and traceql")
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as name:
        data = Path(name) / "data"
        fill(data, Workload(_SPANS, _SPANS // _BLOCKS))
        for query in _QUERIES:
            walk = asyncio.run(walked(data, query))
            counts = (len(walk.functions), len(walk.modules), walk.changes, walk.between("query", "traceql"))
            table.add_row(query, *map(str, counts))
            if options.functions:
                for (module, function, line), calls in sorted(walk.functions.items()):
                    print(f"{query} {calls:6} {module}:{line} {function}")
    console().print(table)


if __name__ == "__main__":
    main()
