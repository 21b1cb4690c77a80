"""The SQL statements of the SQLite index, and blocks as its rows."""

# ruff: noqa: S608  (what is put into the statements are names of tables and columns)

from collections.abc import Sequence
from datetime import date
from typing import Any

from spanlake.store.blocks.block import Block, DaySummary
from spanlake.store.days import clamp_ns, utc_day
from spanlake.store.index.base import LOST, IdRange

TOUCH_DAY = """
    INSERT INTO day (tenant, date, last_date, generation) VALUES (?, ?, ?, random())
    ON CONFLICT DO UPDATE SET last_date = excluded.last_date WHERE excluded.last_date > last_date
"""

ID_BYTES = 16

NUMBERS = ("start_ns", "end_ns", "spans", "size", "created_ns")

COLUMNS = f"tenant, date, id, level, {', '.join(NUMBERS)}, trace_filter, hidden, uncompressed_size, checksum"

IS_KEY = "tenant = :tenant AND date = :date AND level = :level AND id = :id"

# What was live once stays what it is now. SQLite wants the WHERE true, lest it take ON for that of a join.
PUT_BLOCK = f"""
    INSERT INTO block ({COLUMNS})
    SELECT :tenant, :date, :id, :level, :start_ns, :end_ns, :spans, :size, :created_ns, :trace_filter, :hidden,
        :uncompressed_size, :checksum
    WHERE NOT EXISTS (SELECT * FROM retired WHERE {IS_KEY}) AND NOT EXISTS (SELECT * FROM forgotten WHERE {IS_KEY})
    ON CONFLICT DO UPDATE SET start_ns = excluded.start_ns, end_ns = excluded.end_ns, spans = excluded.spans,
        size = excluded.size, trace_filter = excluded.trace_filter, uncompressed_size = excluded.uncompressed_size,
        checksum = excluded.checksum
"""

GET_HIDDEN = f"SELECT hidden FROM block WHERE {IS_KEY}"

SET_HIDDEN = f"UPDATE block SET hidden = :hidden WHERE {IS_KEY}"

WAS_LIVE = f"SELECT 1 FROM retired WHERE {IS_KEY} UNION ALL SELECT 1 FROM forgotten WHERE {IS_KEY}"

STORED_BEFORE = f"""
    SELECT created_ns, hidden FROM block WHERE {IS_KEY} AND hidden != x'' UNION ALL
    SELECT created_ns, NULL FROM retired WHERE {IS_KEY} UNION ALL
    SELECT created_ns, NULL FROM forgotten WHERE {IS_KEY}
"""

PUT_DELETION = """
    INSERT INTO deletion (tenant, trace_id, deleted_ns) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET deleted_ns = max(deleted_ns, excluded.deleted_ns)
"""

DELETIONS = "SELECT trace_id, deleted_ns FROM deletion WHERE tenant = :tenant AND deleted_ns >= :since"

FORGET_DELETIONS = f"""
    DELETE FROM deletion WHERE deleted_ns < (SELECT min(created_ns) FROM (
        SELECT created_ns FROM block UNION ALL SELECT created_ns FROM retired UNION ALL SELECT created_ns FROM forgotten
    ) WHERE created_ns != {LOST})
"""

NOW = "CAST(strftime('%s', 'now') AS INTEGER)"

RETIRE_BLOCK = (
    f"INSERT INTO retired ({COLUMNS}, replaced) SELECT {COLUMNS}, {NOW} FROM block WHERE {IS_KEY}",
    f"DELETE FROM block WHERE {IS_KEY}",
)

NOTE_LOST = f"UPDATE retired SET created_ns = {LOST} WHERE {IS_KEY}"

FORGET_BLOCK = (
    f"INSERT OR IGNORE INTO forgotten SELECT tenant, date, level, id, created_ns FROM retired WHERE {IS_KEY}",
    f"DELETE FROM retired WHERE {IS_KEY}",
)

RETIRED = f"SELECT {COLUMNS} FROM retired WHERE replaced < :before"

IN_IDS = "tenant = :tenant AND date = :date AND id BETWEEN :first AND :last"

ENTRIES = f"""
    SELECT {COLUMNS} FROM block WHERE {IN_IDS} UNION ALL
    SELECT {COLUMNS} FROM retired WHERE {IN_IDS}
"""

LIVE = f"SELECT {COLUMNS} FROM block WHERE {IN_IDS}"

KNOWN_IDS = " UNION ALL ".join(f"SELECT id FROM {table} WHERE {IN_IDS}" for table in ("block", "retired", "forgotten"))

PUT_ENTRY = "INSERT OR IGNORE INTO catalog (tenant, date, scope, key, type) VALUES (?, ?, ?, ?, ?)"

# A block starts on its day, but its spans may last for more: last_date tells how far.
FIND = f"""
    SELECT {COLUMNS} FROM day JOIN block USING (tenant, date)
    WHERE tenant = :tenant AND date <= :end_date AND last_date >= :start_date AND start_ns <= :end AND end_ns >= :start
    ORDER BY end_ns DESC, id
"""

GENERATION = "SELECT generation FROM day WHERE tenant = ? AND date = ?"
DAY_CATALOG = "SELECT scope, key, type FROM catalog WHERE tenant = ? AND date = ?"

CATALOG = """
    SELECT DISTINCT scope, key, type FROM day JOIN catalog USING (tenant, date)
    WHERE tenant = :tenant AND date <= :end_date AND last_date >= :start_date
"""

SUMMARY = """
    SELECT tenant, date, level, count(*), sum(spans), sum(size) FROM block
    GROUP BY tenant, date, level ORDER BY tenant, date, level
"""

TOO_OLD = "date < :before AND (:tenants IS NULL OR tenant IN (SELECT value FROM json_each(:tenants)))"

EXPIRED = f"""
    SELECT {COLUMNS} FROM block WHERE {TOO_OLD} UNION ALL
    SELECT {COLUMNS} FROM retired WHERE {TOO_OLD} ORDER BY tenant, date, id
"""

EXPIRE = tuple(f"DELETE FROM {table} WHERE {TOO_OLD}" for table in ("block", "retired", "forgotten", "catalog", "day"))


def key_of(block: Block) -> dict[str, Any]:
    """Return the parameters that name a block."""
    return {"tenant": block.tenant, "date": block.date.isoformat(), "level": block.level, "id": block.id}


def to_day_summary(row: Sequence[Any]) -> DaySummary:
    """Read the totals of a day."""
    tenant, day, *figures = row
    return DaySummary(tenant, date.fromisoformat(day), *figures)


def row_of(block: Block) -> dict[str, Any]:
    """Return the parameters of a block, all of its columns."""
    numbers = {name: getattr(block, name) for name in (*NUMBERS, "uncompressed_size", "checksum")}
    return key_of(block) | numbers | {"trace_filter": block.trace_filter, "hidden": b"".join(sorted(block.hidden))}


def to_block(row: Sequence[Any]) -> Block:
    """Read a block."""
    tenant, day, *rest, hidden, uncompressed_size, checksum = row
    values: list[Any] = [tenant, date.fromisoformat(day), *rest, to_ids(hidden), uncompressed_size, checksum]
    return Block(*values)


def to_ids(hidden: bytes) -> frozenset[bytes]:
    """Read the ids of deleted traces."""
    return frozenset(hidden[start : start + ID_BYTES] for start in range(0, len(hidden), ID_BYTES))


def range_parameters(tenant: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    """Return the parameters of a range of time."""
    return {
        "tenant": tenant,
        "start": clamp_ns(start_ns),
        "end": clamp_ns(end_ns),
        "start_date": utc_day(start_ns).isoformat(),
        "end_date": utc_day(end_ns).isoformat(),
    }


def id_parameters(tenant: str, day: date, ids: IdRange) -> dict[str, str]:
    """Return the parameters of a day's range of ids."""
    first, last = ids
    return {"tenant": tenant, "date": day.isoformat(), "first": first, "last": last}
