"""What functions do beside answering: compaction when it fails, and what is done once a day."""

import time
from concurrent.futures import ThreadPoolExecutor

from spanlake.store.upkeep.policy import FAN_IN
from tests.functions.end_to_end.kit import blocks, send
from tests.functions.local.stack import Stack
from tests.payloads import export_request
from tests.server import patiently

_PATIENCE = 30.0  # seconds


def test_compaction_that_is_killed_is_done_nevertheless(stack: Stack) -> None:
    def kill() -> int:
        """Looked for all the time: the function has an event for some milliseconds only."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if killed := stack.kill_busy("compact"):
                return killed
            time.sleep(0.001)
        return 0

    with ThreadPoolExecutor() as pool:
        for number in range(FAN_IN):
            if number == FAN_IN - 1:  # the one after which there is something to merge
                kills = pool.submit(kill)
            assert send(stack, "merged", export_request(f"span {number}").SerializeToString()).status == 200
    for _ in patiently():
        if [block.level for block in blocks(stack, "merged")] == [1]:
            break
    assert [block.level for block in blocks(stack, "merged")] == [1]
    assert sum(block.spans for block in blocks(stack, "merged")) == FAN_IN
    assert kills.result()
    assert not stack.pollers["compact"].given_up


def test_what_is_done_once_a_day(stack: Stack) -> None:
    send(stack, "kept", export_request("one").SerializeToString())
    assert stack.invoke("expire", {}) is None
    assert len(blocks(stack, "kept")) == 1
