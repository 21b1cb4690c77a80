"""What functions do beside answering: compaction when it fails, and what is done once a day."""

from spanlake.store.upkeep.policy import FAN_IN
from tests.functions.end_to_end.kit import blocks, send
from tests.functions.local.stack import Stack
from tests.payloads import export_request
from tests.server import patiently


def test_compaction_that_is_killed_is_done_nevertheless(stack: Stack) -> None:
    kills = 0
    for number in range(FAN_IN):
        assert send(stack, "merged", export_request(f"span {number}").SerializeToString()).status == 200
    for _ in patiently():
        kills += stack.kill_busy("compact") if not kills else 0
        if [block.level for block in blocks(stack, "merged")] == [1]:
            break
    assert [block.level for block in blocks(stack, "merged")] == [1]
    assert sum(block.spans for block in blocks(stack, "merged")) == FAN_IN
    assert kills
    assert not stack.pollers["compact"].given_up


def test_what_is_done_once_a_day(stack: Stack) -> None:
    send(stack, "kept", export_request("one").SerializeToString())
    assert stack.invoke("expire", {}) is None
    assert len(blocks(stack, "kept")) == 1
