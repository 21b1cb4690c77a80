"""Tests the index in DynamoDB beyond the suite: its price, its days, and its reading of the service's errors."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from botocore.exceptions import ReadTimeoutError

from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.days import DAY_NS, MAX_NS, MIN_NS, utc_day
from spanlake.store.errors import IndexConflict, StorageCorrupt, StorageUnavailable, StoreError
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.cloud import Cloud, Reply, answering, calls
from tests.patches import patch_here
from tests.store.index.test_index import METHOD, STATUS, TODAY, block
from tests.store.tables import HOUR, NOON

MINUTE = HOUR // 60
LONG_AGO = NOON - 400 * DAY_NS

Open = Callable[..., DynamoIndex]


@pytest.fixture
def open_table(cloud: Cloud) -> Iterator[Open]:
    """Opens the same table each time, as another process would."""
    table = cloud.table()
    opened: list[DynamoIndex] = []

    def open_(retention: timedelta | None = None) -> DynamoIndex:
        opened.append(DynamoIndex(table, retention))
        return opened[-1]

    yield open_
    for index in opened:
        index.close()


@pytest.fixture
def index(open_table: Open) -> DynamoIndex:
    return open_table()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_here(monkeypatch, time, "sleep", lambda _: None)


def fresh(name: str) -> Block:
    """A block of spans that have just ended."""
    now = time.time_ns()
    return block(name, now, now + 1)


def late(name: str) -> Block:
    """A block of spans that ended long ago."""
    return block(name, LONG_AGO)


def found(index: DynamoIndex, start_ns: int = MIN_NS, end_ns: int = MAX_NS) -> set[str]:
    return {block.id for block in index.find("a", start_ns, end_ns)}


def catalog_of(one: Block, *entries: CatalogEntry) -> dict[tuple[str, date], frozenset[CatalogEntry]]:
    return {(one.tenant, one.date): frozenset(entries)}


# What requests cost


def test_a_request_costs_one_write_once_its_columns_are_known(index: DynamoIndex) -> None:
    index.add([fresh("1")], catalog_of(fresh("1"), METHOD))
    with calls(index.client) as made:
        for number in range(5):
            one = fresh(str(number))
            index.add([one], catalog_of(one, METHOD))
    assert made == ["UpdateItem"] * 5


def test_a_new_column_costs_one_write_more(index: DynamoIndex) -> None:
    index.add([fresh("1")], catalog_of(fresh("1"), METHOD))
    with calls(index.client) as made:
        index.add([fresh("2")], catalog_of(fresh("2"), METHOD, STATUS))
    assert made == ["BatchWriteItem", "UpdateItem"]


def test_another_process_reads_once_what_the_day_has_and_writes_no_column_again(open_table: Open) -> None:
    one = fresh("1")
    open_table().add([one], catalog_of(one, METHOD, STATUS))
    other = open_table()
    with calls(other.client) as made:
        other.add([fresh("2")], catalog_of(fresh("2"), METHOD, STATUS))
    assert made == ["Query", "UpdateItem"]


@pytest.mark.parametrize("names", [("late",), ("late", "later")])
def test_late_spans_and_several_blocks_cost_one_write_too(index: DynamoIndex, names: tuple[str, ...]) -> None:
    index.add([late("1")], {})
    with calls(index.client) as made:
        index.add([late(name) for name in names], {})
    assert made == ["TransactWriteItems"]


def test_swap_is_one_transaction_after_a_look_at_the_services_clock(index: DynamoIndex) -> None:
    many = [block(f"{number:02}") for number in range(80)]
    index.add(many, {})
    with calls(index.client) as made:
        index.replace([block("all", level=1)], many)
    assert made == ["Query", "TransactWriteItems"]
    assert found(index) == {"all"}


@pytest.mark.parametrize(
    ("first_day", "days", "queries"),
    [
        (0, 1, 1),
        (-2, 3, 3),
        (-29, 30, 1 + 3),  # the list of days, and the days there are
        (-400, 800, 1 + 3),
    ],
)
def test_a_question_costs_a_query_for_each_day(index: DynamoIndex, first_day: int, days: int, queries: int) -> None:
    blocks = [block(str(number), NOON - number * DAY_NS) for number in range(3)]
    index.add(blocks, {(one.tenant, one.date): frozenset({METHOD}) for one in blocks})
    start = NOON + first_day * DAY_NS
    with calls(index.client) as made:
        live, catalog = index.look_up("a", start, start + (days - 1) * DAY_NS + HOUR)
    assert made == ["Query"] * queries
    assert len(live) == min(days, 3)
    assert catalog == {METHOD}


def test_spans_that_end_after_midnight_cost_nothing_later_in_the_day(index: DynamoIndex) -> None:
    midnight = (NOON // DAY_NS + 1) * DAY_NS
    index.add([block("over", midnight - MINUTE, midnight + MINUTE)], {})
    index.add([block("next", midnight + 2 * HOUR)], {})
    with calls(index.client) as made:
        assert found(index, midnight + 2 * HOUR, midnight + 3 * HOUR) == {"next"}
    assert made == ["Query"]
    assert found(index, midnight, midnight + HOUR) == {"over"}


def test_requests_before_midnight_do_not_pay_for_it_each_time(index: DynamoIndex) -> None:
    midnight = LONG_AGO // DAY_NS * DAY_NS
    index.add([block("first", midnight - MINUTE, midnight + MINUTE)], {})
    with calls(index.client) as made:
        for number in range(3):
            index.add([block(str(number), midnight - MINUTE, midnight + number * MINUTE)], {})
    assert made == ["TransactWriteItems"] * 3


def test_more_than_a_page_is_found_whole(index: DynamoIndex) -> None:
    large = [
        Block("a", TODAY, f"{number:02}", 0, NOON, NOON + 1, 1, 1, NOON, bytes([number]) * 200_000)
        for number in range(12)
    ]
    for one in large:
        index.add([one], {})
    with calls(index.client) as made:
        assert sorted(index.find("a", NOON, NOON), key=lambda one: one.id) == large
    assert 2 < len(made) < 6


def test_many_large_blocks_can_be_removed(index: DynamoIndex) -> None:
    large = [replace(late(f"{number:02}"), trace_filter=bytes(250_000)) for number in range(30)]
    index.add(large, {})
    index.replace([], large)
    assert found(index) == set()
    assert len(index.replaced_before(int(time.time()) + 9)) == 30


def test_figures_are_kept_for_a_while(open_table: Open) -> None:
    index, other = open_table(), open_table()
    index.add([block("1")], {})
    assert [day.blocks for day in index.summary()] == [1]
    with calls(index.client) as made:
        other.add([block("2")], {})
        assert [day.blocks for day in index.summary()] == [1]
    assert made == ["Query"]  # tenants, no days and no blocks
    index.add([block("3")], {})
    assert [day.blocks for day in index.summary()] == [3]


# Days


def test_days_that_began_before_or_after_are_told_what_reaches_into_them(open_table: Open) -> None:
    other = open_table()
    other.add([block("later", NOON + 2 * DAY_NS)], {})
    index = open_table()
    index.add([block("long", NOON, NOON + 9 * DAY_NS)], {})
    other.add([block("latest", NOON + 5 * DAY_NS)], {})
    for day, there in ((2, {"long", "later"}), (5, {"long", "latest"}), (7, {"long"})):
        assert found(open_table(), NOON + day * DAY_NS, NOON + day * DAY_NS + MINUTE) == there


def test_whoever_begins_a_day_and_whoever_reaches_it_see_each_other(open_table: Open) -> None:
    for attempt in range(10):
        start, ready = NOON + attempt * 10 * DAY_NS, Barrier(2)
        blocks = [
            block(f"long{attempt}", start, start + 3 * DAY_NS),
            block(f"next{attempt}", start + 2 * DAY_NS),
        ]

        def add(one: Block, ready: Barrier = ready) -> None:
            index = open_table()
            ready.wait()
            index.add([one], {})

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(add, blocks))
        assert found(open_table(), start + 2 * DAY_NS, start + 2 * DAY_NS + MINUTE) == {one.id for one in blocks}


def test_many_processes_may_begin_a_day_at_once(open_table: Open) -> None:
    ready = Barrier(6)

    def add(number: int) -> None:
        index = open_table()
        ready.wait()
        index.add([block(str(number))], {("a", TODAY): frozenset({CatalogEntry("span", str(number % 3), "int")})})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(add, range(6)))
    live, catalog = open_table().look_up("a", NOON, NOON)
    assert len(live) == 6
    assert {entry.key for entry in catalog} == {"0", "1", "2"}


def test_what_has_expired_is_gone_before_dynamodb_removes_it(open_table: Open) -> None:
    index, old = open_table(timedelta(days=1)), time.time_ns() - 9 * DAY_NS
    index.add([block("old", old), fresh("new")], {("a", utc_day(old)): frozenset({METHOD})})
    assert found(index) == {"new"}
    assert index.catalog("a", old, old) == frozenset()
    assert index.entries("a", utc_day(old)) == []
    assert [day.date for day in index.summary()] == [datetime.now(UTC).date()]


def test_a_clock_that_is_ahead_hides_nothing(open_table: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    index, one = open_table(timedelta(days=4)), fresh("1")
    index.add([one], catalog_of(one, METHOD))
    now = time.time()
    patch_here(monkeypatch, time, "time", lambda: now + 365 * 86_400)
    for other in (index, open_table(timedelta(days=4))):
        assert found(other) == {"1"}
        assert other.catalog("a", one.start_ns, one.end_ns) == {METHOD}
        assert other.days("a") == [one.date]
        assert [entry.id for entry in other.entries("a", one.date)] == ["1"]
        assert [day.blocks for day in other.summary()] == [1]
    index.mark_deleted([one], b"t" * 16)
    assert [live.hidden for live in index.find("a", MIN_NS, MAX_NS)] == [{b"t" * 16}]


def test_a_block_that_is_live_again_is_not_retired(index: DynamoIndex) -> None:
    one, soon = fresh("1"), int(time.time()) + 60
    index.add([one], {})
    index.replace([], [one])
    index.purge(index.replaced_before(soon))
    index.add([one], {})  # so young, it is not asked whether it was forgotten
    assert found(index) == {"1"}
    assert index.replaced_before(soon) == []


def test_what_expires_says_when(open_table: Open, cloud: Cloud) -> None:
    index = open_table(timedelta(days=14))
    one = fresh("1")
    index.add([one], catalog_of(one, METHOD))
    client = cloud.session.client("dynamodb")
    tables = client.scan(TableName=index.table, FilterExpression="attribute_exists(expires)")
    days = sorted((int(item["expires"]["N"]) - time.time()) / 86_400 for item in tables["Items"])
    assert len(days) == 4  # the block; the day, its place in the list and its catalog a little later
    assert 18 < days[0] < 19
    assert all(20 < later < 21 for later in days[1:])
    assert client.describe_time_to_live(TableName=index.table)["TimeToLiveDescription"]["AttributeName"] == "expires"


def test_a_key_too_long_for_an_item_does_not_keep_spans_from_being_stored(index: DynamoIndex) -> None:
    index.add([block("1")], {("a", TODAY): frozenset({METHOD, CatalogEntry("span", "k" * 500_000, "rest")})})
    assert index.look_up("a", NOON, NOON) == ([block("1")], frozenset({METHOD}))


# Errors


def cancelled(*reasons: str) -> Reply:
    return Reply.refusal("TransactionCanceledException", CancellationReasons=[{"Code": reason} for reason in reasons])


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("operation", "reply"),
    [
        ("TransactWriteItems", cancelled("None", "TransactionConflict")),
        ("TransactWriteItems", cancelled("ThrottlingError", "None")),
        ("TransactWriteItems", Reply.refusal("ThrottlingException")),
        ("TransactWriteItems", Reply.refusal("InternalServerError", 500)),
        ("TransactWriteItems", ReadTimeoutError(endpoint_url="there")),
        ("UpdateItem", Reply.refusal("TransactionConflictException")),
        ("UpdateItem", Reply.refusal("ProvisionedThroughputExceededException")),
        ("Query", Reply.refusal("RequestLimitExceeded")),
    ],
)
def test_what_passes_is_tried_again_and_otherwise_retryable(
    index: DynamoIndex, operation: str, reply: Reply | Exception
) -> None:
    def use() -> None:
        index.add([fresh("1") if operation == "UpdateItem" else late("1")], {})
        index.find("a", NOON, NOON)

    use()
    with answering(index.client, operation, reply, reply) as answered:
        use()
    assert len(answered) == 2
    with answering(index.client, operation, *[reply] * 99), pytest.raises(StorageUnavailable, match="index table"):
        use()


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("AccessDeniedException", "access is denied, allow Query"),
        ("UnrecognizedClientException", "the credentials are not accepted"),
        ("ResourceNotFoundException", "there is no DynamoDB table"),
        ("ValidationException", "Query was refused"),
    ],
)
def test_what_does_not_pass_says_what_to_do(index: DynamoIndex, code: str, complaint: str) -> None:
    with answering(index.client, "Query", Reply.refusal(code)), pytest.raises(StoreError, match=complaint) as raised:
        index.find("a", NOON, NOON)
    assert not isinstance(raised.value, StorageUnavailable)
    assert "spanlakesecret" not in str(raised.value)


@pytest.mark.usefixtures("no_pauses")
def test_what_was_left_of_a_batch_is_sent_again(index: DynamoIndex) -> None:
    index.add([block("1")], {})
    put = {"PutRequest": {"Item": {"pk": {"S": f"a#{TODAY}"}, "sk": {"S": "00#left"}}}}
    left = Reply(200, json.dumps({"UnprocessedItems": {index.table: [put]}}).encode())
    with answering(index.client, "BatchWriteItem", left), calls(index.client) as made:
        index.add([block("1")], {("a", TODAY): frozenset({METHOD})})
    assert made.count("BatchWriteItem") == 2


def test_a_swap_whose_answer_was_lost_is_done_once(index: DynamoIndex) -> None:
    index.add([block("1"), block("2")], {})
    index.replace([block("12", level=1)], [block("1"), block("2")])
    with pytest.raises(IndexConflict):
        index.replace([block("other", level=1)], [block("1"), block("2")])
    index.replace([block("12", level=1)], [block("1"), block("2")])
    assert found(index) == {"12"}
    assert {one.id for one in index.replaced_before(int(time.time()) + 9)} == {"1", "2"}


def test_concurrent_swaps_of_the_same_blocks_end_with_one(open_table: Open) -> None:
    small = [block(str(number)) for number in range(8)]
    open_table().add(small, {})
    ready = Barrier(4)

    def swap(number: int) -> bool:
        index = open_table()
        ready.wait()
        try:
            index.replace([block(f"all{number}", level=1)], small)
        except (IndexConflict, StorageUnavailable):
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(swap, range(4)))
    assert done.count(True) == 1
    assert found(open_table()) == {f"all{done.index(True)}"}


@pytest.mark.parametrize("after", [timedelta(days=30), timedelta(days=3), None])
def test_a_changed_retention_holds_for_what_is_there(open_table: Open, after: timedelta | None) -> None:
    index = open_table(timedelta(days=14))
    index.keep_for(timedelta(days=14))
    index.add([fresh("1")], catalog_of(fresh("1"), METHOD))
    before = expiries(index)
    index.keep_for(timedelta(days=14))
    assert expiries(index) == before
    open_table(after).keep_for(after)
    changed = expiries(index)
    if after is None:
        assert changed == []
    else:
        days = (after - timedelta(days=14)).days
        assert [expires - days * 86_400 for expires in changed] == before


def expiries(index: DynamoIndex) -> list[int]:
    items = index.client.scan(TableName=index.table, FilterExpression="attribute_exists(expires)")["Items"]
    return sorted(int(item["expires"]["N"]) for item in items)


def test_a_table_of_a_newer_spanlake_is_refused(open_table: Open) -> None:
    index = open_table()
    index.check()
    index.set_property("version", "2")
    index.check()
    index.set_property("version", "3")
    with pytest.raises(StorageCorrupt, match="newer spanlake \\(format 3"):
        index.check()
