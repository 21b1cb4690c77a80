"""The recorded queries, asked of Athena's dialect in a real Trino: what is sent there has DuckDB's answers.

The lake holds blocks that compaction has replaced as well, whose objects are still there: no span counts twice.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from spanlake.api.app import create_app
from spanlake.api.tempo.dependencies import ALL_ERRORS
from spanlake.api.tempo.routes import tempo_routes
from spanlake.query.engine.athena.engine import Athena
from spanlake.query.engine.athena.table import GlueTable
from spanlake.query.querier import Querier
from spanlake.query.scan.block_memo import Misses
from spanlake.query.scan.offload import Offload
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.block import Block
from spanlake.store.glue import attribute_columns, fixed_columns
from spanlake.store.maintenance.compactor import Compactor
from spanlake.store.write import write
from tests import athena
from tests.api.test_disconnects import listening
from tests.athena import WORKGROUP, serving
from tests.query.kit import Lake
from tests.recorded import answers, bodies, checker
from tests.scenarios.conformance.test_right import TENANT
from tests.trino import SCHEMA, TABLE, Trino

PATHS = {"/api/search", "/api/metrics/query_range", "/api/metrics/query"}

_BLOCKS = 3  # every one more is a file to open for each query
_STRUCTURE = "structural operators are not supported on Athena"
_COMPARE = "it has no compare()"
STAYS = {
    **dict.fromkeys(
        (*range(201, 206), 208, 209, 211, *range(214, 221), *range(222, 226), *range(227, 231)), _STRUCTURE
    ),
    **dict.fromkeys((277, 280, *range(357, 361)), _STRUCTURE),
    376: "it has no function like unnest()",
    43: "parents and children of spans are not supported on Athena",
    **dict.fromkeys((*range(421, 425), 426), _COMPARE),
}
"""The queries that stay in the function, and why."""


def queries() -> list[Any]:
    """The recorded queries that are answered, not refused."""
    rows = [row for row in answers() if row["path"] in PATHS and row["want"]["status"] == 200]
    return [pytest.param(row, id=f"{row['id']}-{row['area']}") for row in rows]


class _Forgetful(Misses):
    """Remembers no block without a match, so that each query is sent, also after another that had no matches."""

    def without(self, blocks: Sequence[Block], test: str) -> list[Block]:  # noqa: ARG002
        """All of the blocks."""
        return list(blocks)


@dataclass(frozen=True)
class Servers:
    """Servers of one lake: two read everything in Athena, one of which remembers blocks without a match; the third has
    no Athena."""

    far: str
    remembering: str
    near: str
    workgroup: athena.Athena


@pytest.fixture(scope="module")
def servers(trino: Trino) -> Iterator[Servers]:
    folder = trino.directory / "conformance"
    lake = _filled(folder)
    blocks, catalog = lake.index.look_up(TENANT, 0, 2**63 - 1)
    trino.create_table(fixed_columns() | attribute_columns(catalog), "conformance")
    trino.add_partitions(blocks, "conformance")
    workgroup = athena.Athena(trino)
    with serving(workgroup) as client:
        offload = Offload(Athena(client, WORKGROUP, GlueTable(SCHEMA, TABLE), pause=0.02), above_bytes=0)
        with (
            _served(lake, offload, _Forgetful()) as far,
            _served(lake, offload) as remembering,
            _served(lake) as near,
        ):
            yield Servers(far, remembering, near, workgroup)
    lake.close()


def _filled(folder: Path) -> Lake:
    lake = Lake(folder)
    requests = list(bodies())
    for number in range(_BLOCKS):
        write(lake.objects, lake.index, TENANT, decode(requests[number::_BLOCKS]).table, number.to_bytes(8))
    compactor = Compactor(lake.objects, lake.index)
    for day in compactor.days():
        for merge in compactor.plan(*day, settle=True):
            assert compactor.run(merge)
    assert len(list(lake.objects.list("spans/"))) > len(lake.index.look_up(TENANT, 0, 2**63 - 1)[0])
    return lake


@contextmanager
def _served(lake: Lake, offload: Offload | None = None, misses: Misses | None = None) -> Iterator[str]:
    querier = Querier(lake.index, lake.objects, lake.duck, lake.querier.sizes, offload, misses=misses or Misses())
    with listening(create_app(tempo_routes(querier), ALL_ERRORS)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("row", queries())
def test_answer_is_duckdbs(servers: Servers, row: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    check = checker()
    before = len(servers.workgroup.starts)
    with caplog.at_level(logging.INFO, "spanlake.query.scan.offload"):
        there = check.normal(row, *check.ask(servers.far, row, tenant=TENANT))
    here = check.normal(row, *check.ask(servers.near, row, tenant=TENANT))
    reasons = {record.reason for record in caplog.records if hasattr(record, "reason")}
    assert reasons == ({STAYS[row["id"]]} if row["id"] in STAYS else set())
    assert (len(servers.workgroup.starts) > before) == (row["id"] not in STAYS)
    assert check.diff(row, here, there) is None


def test_search_without_matches_is_asked_once(servers: Servers) -> None:
    check = checker()
    row = next(row for row in answers() if row["params"].get("q") == "{ span.nonexistent != nil }")
    starts = [len(servers.workgroup.starts)]
    for _ in range(2):
        found = check.normal(row, *check.ask(servers.remembering, row, tenant=TENANT))
        assert check.diff(row, row["want"], found) is None
        starts.append(len(servers.workgroup.starts))
    assert starts[0] < starts[1] == starts[2]
