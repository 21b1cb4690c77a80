"""Storage, one server after another on it, and the clients of all of them."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.scenarios.chaos.arena import Arena, Life
from tests.scenarios.chaos.askers import Asker, Deleter
from tests.scenarios.chaos.inspection import inspect
from tests.scenarios.chaos.ledger import Ledger
from tests.scenarios.chaos.senders import PAUSE, TWO_WAYS, Sender, Way
from tests.scenarios.chaos.spans import World
from tests.scenarios.chaos.storage import ChaosStorage, Directory
from tests.server_process import SPANLAKE, SpanlakeServer

SENDERS = 8
ASKERS = 2

_HURRIED = (sys.executable, "-m", "tests.scenarios.chaos.hurried")
_REFUSED = "blocks without an index entry left in place, spanlake reindex takes them in"
"""The event of what a killed or failing server leaves, when it is too much to be taken for garbage."""
_LAST_SECONDS = 1.0


class Violated(AssertionError):  # noqa: N818
    """Violation of a rule that must hold."""


class Stage:
    """Where servers come and go while clients send, ask and delete."""

    def __init__(
        self,
        directory: Path,
        seed: int,
        storage: ChaosStorage | None = None,
        ways: Sequence[Way] = TWO_WAYS,
        pause: float = PAUSE,
    ) -> None:
        self.data = directory / "data"
        self.storage = storage or Directory(self.data)
        self.ledger = Ledger(World(seed, time.time_ns()))
        self.chance = random.Random(seed)
        self.lives = 0
        self._arena = Arena()
        self._senders = [Sender(self._arena, self.ledger, number, ways, pause) for number in range(SENDERS)]
        self._askers = [Asker(self._arena, self.ledger, number) for number in range(ASKERS)]

    def start_clients(self) -> None:
        """Let clients work, from now on and whenever there is a server."""
        for sender in self._senders:
            self._arena.spawn(sender)
        for asker in self._askers:
            self._arena.spawn(asker)
        self._arena.spawn(Deleter(self._arena, self.ledger))

    def stop_clients(self) -> None:
        """Let every client finish what it is doing; senders and deleters do so when they have succeeded."""
        self._arena.close()

    @contextmanager
    def life(
        self,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = _HURRIED,
        admitted: Sequence[str] = (_REFUSED,),
    ) -> Iterator[Life]:
        """A server, which is killed in the end; of what it logs as errors only some events are admitted."""
        self.lives += 1
        server = SpanlakeServer(self.data, ["--retention", "4d", *self.storage.arguments], environment, program)
        try:
            yield Life(self.lives, server)
        finally:
            self._arena.leave()
            if server.status is None:
                server.kill()
            self._check_log(server, admitted)

    def enter(self, life: Life) -> None:
        """Let clients go to a server."""
        self._arena.enter(life)

    def check(self, when: str, violations: Iterable[str] = ()) -> None:
        """Raise Violated if anything has been found so far that must not be."""
        found = [*self._arena.failures, *self.ledger.violations, *violations]
        if found:
            raise Violated(f"seed {self.ledger.world.seed}, life {self.lives}, {when}:\n" + "\n".join(found[:20]))

    def finish(self) -> None:
        """Let everybody finish, compact everything, and see that what should be there is, once, and nothing else."""
        with self.life() as life:
            life.server.wait_until_ready()
            self.enter(life)
            time.sleep(_LAST_SECONDS)
            self.stop_clients()
            life.server.stop()
        if not self.storage.takes_in:
            self._run("reindex")
        self._run("compact")
        self.check("after the last compaction", inspect(self.storage).violations_in_the_end(self.ledger))
        with self.life() as life:
            self._askers[0].ask_everything(Life(life.number, life.server.wait_until_ready()))
            life.server.stop()
        self.check("in the end")

    def wait_until_clean(self) -> None:
        """Return when the blocks that are live are all that is left, and anything else was removed."""
        live = {block.path for block in inspect(self.storage).live}
        with self.life() as life:
            life.server.wait_until_ready().wait_for(lambda: self._objects() == live)
            life.server.stop()

    def answers(self) -> Counter[str]:
        """Counts the answers to clients by status or error."""
        given = [*(sender.answers for sender in self._senders), *(asker.answers for asker in self._askers)]
        return sum((Counter(dict(one)) for one in given), Counter[str]())  # copies: clients go on

    def _check_log(self, server: SpanlakeServer, admitted: Sequence[str]) -> None:
        """Note what the log tells of mistakes of the server's own."""
        for line in server.log().splitlines():
            if '"level": "error"' in line and not any(f'"event": "{event}"' in line for event in admitted):
                print("the server has logged:", line)  # for a test that fails before anybody asks
                self.ledger.violated(f"the server has logged: ...{line[-3000:]}")
        server.log_path.unlink()

    def _objects(self) -> set[str]:
        """The paths of all blocks, also of those that are about to be deleted."""
        with self.storage.opened() as store:
            paths = [info.path for info in store.objects.list()]
        return {path for path in paths if path.startswith(("spans/", "trash/"))}

    def _run(self, command: str) -> None:
        """Run a command on the storage; raises Violated when it fails."""
        done = subprocess.run(
            [*SPANLAKE, command, *self.storage.arguments], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise Violated(f"spanlake {command} exits with {done.returncode}:\n{done.stdout}{done.stderr}")
