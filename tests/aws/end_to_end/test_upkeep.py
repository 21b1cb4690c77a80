"""Tests the functions' maintenance: compaction when it fails, and the daily run."""

from spanlake.store.maintenance.compaction_plan import FAN_IN
from tests.aws.end_to_end.kit import blocks, killing, send
from tests.aws.local.stack import Stack
from tests.payloads import export_request
from tests.server_process import patiently


def test_compaction_that_is_killed_is_done_nevertheless(stack: Stack) -> None:
    bodies = [export_request(f"span {number}").SerializeToString() for number in range(FAN_IN)]
    for body in bodies[:-1]:
        assert send(stack, "merged", body).status == 200
    with killing(stack, "compact", 1, pause=0.001) as killed:  # the function has an event for some milliseconds only
        assert send(stack, "merged", bodies[-1]).status == 200
        for _ in patiently():
            if [block.level for block in blocks(stack, "merged")] == [1]:
                break
    assert [block.level for block in blocks(stack, "merged")] == [1]
    assert sum(block.spans for block in blocks(stack, "merged")) == FAN_IN
    assert sum(killed)
    assert not stack.pollers["compact"].given_up


def test_what_is_done_once_a_day(stack: Stack) -> None:
    send(stack, "kept", export_request("one").SerializeToString())
    assert stack.invoke("expire", {}) is None
    assert len(blocks(stack, "kept")) == 1
