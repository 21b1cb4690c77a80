"""Asks random queries about random spans, and compares the answers with the plain evaluator's in tests/oracle.

``python -m tests.fuzz --seed 1 --queries 4000 --arrangement apart``. Every arrangement stores the same spans:

- ``fresh``: the requests as they come, a block each;
- ``apart``: every span in a request of its own, in another order, some of them sent again together with others;
- ``compacted``: as ``apart``, and then merged;
- ``sliced``: as ``apart``, and then two thirds merged into two blocks with slices of a few spans.

What differs is shrunk, its spans and its query, and printed with the right answer.
"""

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.receivers.otlp import read, read_json
from spanlake.store.maintenance.compaction_plan import Merge
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.maintenance.merge import USUAL_MERGE, MergePolicy
from tests.api.test_disconnects import listening
from tests.query.kit import Lake
from tests.recorded import ORACLE, script

THEMES = (
    "simple,logic,arithmetic,structure,pipeline,extended,staged,metric,second,math,compare,tags,values,search,range"
)
ARRANGEMENTS = ("fresh", "apart", "compacted", "sliced")
IN_SLICES = MergePolicy(sliced_spans=1, row_group_spans=3)
_QUERIES_A_ROUND = 60
_SHRINKING = 60  # attempts with fewer spans, and as many with less of a query

Request: TypeAlias = dict[str, Any]
"""An export request as OTLP JSON has it."""
Question: TypeAlias = dict[str, Any]
"""A request to the API: ``area``, ``path`` and ``params``."""


@dataclass(frozen=True)
class Difference:
    """A query whose answer is not the plain evaluator's."""

    arrangement: str
    seed: int
    question: Question
    spans: Sequence[Request]
    what: str

    def __str__(self) -> str:
        asked = f"{self.question['path']} {self.question['params']}"
        return f"{self.arrangement}, seed {self.seed}: {asked}\n    {self.what}\n    {json.dumps(self.spans)}"


@dataclass
class Stored:
    """Spans in a lake, arranged in some way, and an API over it; each set of them has a tenant of its own."""

    lake: Lake
    url: str
    arrangement: str
    oracle: ModuleType
    _tenants: Iterator[int] = field(default_factory=count)

    def tenant(self) -> str:
        """Returns a new tenant."""
        return f"fuzz-{next(self._tenants)}"

    def post(self, requests: Sequence[Request], tenant: str) -> None:
        """Stores the spans of requests."""
        for one in requests if self.arrangement == "fresh" else _apart(requests):
            self.lake.add_table(read([read_json(json.dumps(one).encode()).body]).table, tenant)
        if self.arrangement in {"compacted", "sliced"}:
            self._merge(tenant)

    def _merge(self, tenant: str) -> None:
        policy = USUAL_MERGE if self.arrangement == "compacted" else IN_SLICES
        compactor = Compactor(self.lake.objects, self.lake.index, merge_policy=policy)
        for day in compactor.days():
            if day[0] == tenant:
                for merge in compactor.plan(*day, settle=True):
                    for part in [merge] if self.arrangement == "compacted" else _thirds(merge)[:2]:
                        assert compactor.run(part)

    def ask(self, question: Question, tenant: str) -> dict[str, Any]:
        """The answer in the form in which answers are compared."""
        status, answer = self.oracle.check.ask(self.url, question, tenant=tenant)
        if status == 200:
            found: dict[str, Any] = self.oracle.check.normal(question, status, answer)
            return found
        return {"status": status, "why": answer if isinstance(answer, str) else json.dumps(answer)}

    def difference(self, requests: Sequence[Request], question: Question, tenant: str | None = None) -> str | None:
        """Says how the answer to a question about some spans differs from the plain evaluator's."""
        found: str | None = self.oracle.difference(self, requests, question, tenant)[0]
        return found


def _thirds(merge: Merge) -> list[Merge]:
    size = -(-len(merge.inputs) // 3)
    return [Merge(inputs) for n in range(3) if (inputs := merge.inputs[n * size : (n + 1) * size])]


def _apart(requests: Sequence[Request]) -> Iterator[Request]:
    """Every span in a request of its own, the last one first, and every third once more with those before it."""
    alone = [one for request in requests for one in request["resourceSpans"]]
    alone.reverse()
    for number, one in enumerate(alone):
        yield {"resourceSpans": [one]}
        if number % 3 == 2:
            yield {"resourceSpans": alone[number - 2 : number + 1]}


@contextmanager
def stored(folder: Path, arrangement: str) -> Iterator[Stored]:
    """An empty lake whose spans are arranged so, and its API."""
    sys.path.insert(0, str(ORACLE))
    lake = Lake(folder)
    try:
        with listening(create_app(tempo_routes(lake.querier), ALL_ERRORS)) as port:
            yield Stored(lake, f"http://127.0.0.1:{port}", arrangement, script(ORACLE / "fuzz.py"))
    finally:
        lake.close()


def differences(
    server: Stored, seed: int, queries: int, themes: Sequence[str], *, shrink: bool = True
) -> Iterator[Difference]:
    """Asks so many queries about random spans, which are others after each ``_QUERIES_A_ROUND`` of them."""
    make = random.Random(seed)
    requests: list[Request] = []
    tenant = ""
    for number in range(queries):
        if number % _QUERIES_A_ROUND == 0:
            requests, tenant = server.oracle.make_spans(make), server.tenant()
            server.post(requests, tenant)
        question = _question(server.oracle, make, themes[number % len(themes)])
        what = server.difference(requests, question, tenant)
        if what is not None:
            found = Difference(server.arrangement, seed, question, requests, what)
            yield _shrunk(server, found) if shrink else found


def _question(oracle: ModuleType, make: random.Random, theme: str) -> Question:
    if theme != "staged":
        found: Question = oracle.make_request(make, theme)
        return found
    question: Question = oracle.search(_staged(oracle.Queries(make)))
    return question


def _staged(make: Any) -> str:
    """A query whose operators between sets come after other stages."""
    before = make.one_of(f"by({make.group()})", make.filter(0), make.scalar(), f"by({make.group()}) | {make.filter(0)}")
    after = make.one_of("", f" | {make.scalar()}", " | coalesce()", f" | by({make.group()})")
    return f"{make.filter(0.7)} | {before} | ({make.structure()}){after}"


# what differs, made small


def _shrunk(server: Stored, found: Difference) -> Difference:
    """The difference with less of its query, then with fewer spans, as long as there is one."""
    question = _shorter(server, found)
    spans = server.oracle.shrunk(server, found.spans, question, _SHRINKING)
    what = server.difference(spans, question) or found.what
    return Difference(found.arrangement, found.seed, question, spans, what)


def _shorter(server: Stored, found: Difference) -> Question:
    tries, best = _SHRINKING, found.question
    tenant = server.tenant()
    server.post(found.spans, tenant)
    candidates = _parts(best)
    while tries and (smaller := next(candidates, None)) is not None:
        tries -= 1
        if server.oracle.answer_of(found.spans, smaller)["status"] == 200 and server.difference(
            found.spans, smaller, tenant
        ):
            best, candidates = smaller, _parts(smaller)
    return best


_CUTS: Mapping[str, str] = {
    r"\{[^{}]+\}": "{ }",
    r" \| [^|()]*(?:\([^()]*\))?[^|()]*(?=\||$|\))": "",
    r"\(([^()]*)\)": r"\1",
    r"[^{}&|()]+ (?:&&|\|\|) ": "",
    r" (?:&&|\|\|) [^{}&|()]+": " ",
    r" by ?\([^()]*\)": "",
}
"""Patterns of parts that are cut out of a query, with their replacements; the rest need not be a query."""


def _parts(question: Question) -> Iterator[Question]:
    """Questions with a shorter query."""
    text = question["params"].get("q", "")
    for pattern, instead in _CUTS.items():
        for match in re.finditer(pattern, text):
            shorter = text[: match.start()] + match.expand(instead) + text[match.end() :]
            if len(shorter) < len(text):
                yield {**question, "params": {**question["params"], "q": shorter}}


def main() -> int:
    """Runs it; the exit status is 0 where all answers are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=1000, help="of each arrangement")
    parser.add_argument("--themes", default=THEMES)
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, action="append")
    parser.add_argument("--no-shrink", action="store_true")
    given = parser.parse_args()
    differing = 0
    for arrangement in given.arrangement or ARRANGEMENTS:
        with tempfile.TemporaryDirectory() as folder, stored(Path(folder), arrangement) as server:
            themes = given.themes.split(",")
            for one in differences(server, given.seed, given.queries, themes, shrink=not given.no_shrink):
                differing += 1
                print(one, flush=True)
        print(f"{arrangement}: {given.queries} queries", flush=True)
    print(f"{differing} answers differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
