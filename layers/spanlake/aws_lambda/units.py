"""Compaction in units of work: a tenant's day, or some merges of it, each for an invocation of its own.

A day that takes long, or ends its process, holds up no other one. Units are handed on by asynchronous invocations of
the compacting function, which Lambda keeps until they are done, repeats when they fail, and gives to the queue of what
is undone in the end. A queue of SQS would be asked for messages all the time, while nothing happens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from spanlake.aws_lambda.store import LambdaStore
from spanlake.store import aws

_READ_SECONDS = 10.0
_KEY = "compact"
# Lambda ends loops of functions that invoke each other after about 16 turns.
_MOST_TURNS = 10


@dataclass(frozen=True, slots=True)
class Unit:
    """The work of one invocation of compaction."""

    tenant: str
    date: date
    merges: tuple[tuple[str, ...], ...] = ()  # ids of the blocks of each merge; all that are due when there are none
    turn: int = 0  # how often it was handed on since its time was over

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Unit | None":
        """The unit of an event; None of an event that is none, such as records of a stream."""
        if _KEY not in event:
            return None
        told = event[_KEY]
        merges = tuple(tuple(map(str, ids)) for ids in told.get("merges", ()))
        return cls(str(told["tenant"]), date.fromisoformat(told["date"]), merges, int(told.get("turn", 0)))

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that hands the unit on."""
        more = {"merges": self.merges} if self.merges else {}
        return {_KEY: {"tenant": self.tenant, "date": self.date.isoformat(), "turn": self.turn, **more}}

    @property
    def next_turn(self) -> "Unit | None":
        """The unit for another invocation; None when it was handed on too often."""
        return replace(self, turn=self.turn + 1) if self.turn < _MOST_TURNS else None


class Units:
    """Hands units to invocations of a function."""

    def __init__(self, session: aws.Session, function: str) -> None:
        """``function`` is the name or ARN of the compacting function, with its alias."""
        self._client = session.client("lambda", aws.config(_READ_SECONDS))
        self._function = function

    def send(self, unit: Unit) -> None:
        """Have a unit done soon; raises StorageUnavailable and StoreError when Lambda does not take it."""
        with aws.reported(f"invoke {self._function}"):
            self._client.invoke(
                FunctionName=self._function, InvocationType="Event", Payload=json.dumps(unit.event).encode()
            )


def compacting_units(environment: Mapping[str, str], store: LambdaStore) -> Units | None:
    """The units of the function that the environment names; None when it names none."""
    function = environment.get("SPANLAKE_COMPACT_FUNCTION", "")
    return Units(store.objects.session, function) if function else None
