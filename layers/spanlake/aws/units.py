"""Units of work, each for an invocation of its own: a tenant's day, some merges of it, or the daily look at tenants.

A day that takes long, or ends its process, holds up no other one. Units are handed on by asynchronous invocations of
the compacting function, which Lambda keeps until they are done, repeats when they fail, and gives to the queue of what
is undone in the end. A queue of SQS would be asked for messages all the time, while nothing happens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol

from spanlake.aws.store import LambdaStore
from spanlake.store import aws_client

_READ_SECONDS = 10.0
_KEY = "compact"
_TENANTS_KEY = "look"
# Lambda ends loops of functions that invoke each other after about 16 turns.
_MOST_TURNS = 10


class Work(Protocol):
    """The kinds of work that an invocation can be asked to do."""

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that asks for it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The work of one invocation of compaction."""

    tenant: str
    date: date
    merges: tuple[tuple[str, ...], ...] = ()  # ids of the blocks of each merge; all that are due when there are none
    turn: int = 0  # how often it was handed on since its time was over
    deleted: bool = False  # whether what was deleted on this day has to leave storage

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Unit | None":
        """The unit of an event; None of an event that is none, such as records of a stream."""
        if _KEY not in event:
            return None
        told = event[_KEY]
        merges = tuple(tuple(map(str, ids)) for ids in told.get("merges", ()))
        day = date.fromisoformat(told["date"])
        return cls(str(told["tenant"]), day, merges, int(told.get("turn", 0)), bool(told.get("deleted", False)))

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that hands the unit on."""
        more = ({"merges": self.merges} if self.merges else {}) | ({"deleted": True} if self.deleted else {})
        return {_KEY: {"tenant": self.tenant, "date": self.date.isoformat(), "turn": self.turn, **more}}

    @property
    def next_turn(self) -> "Unit | None":
        """The unit for another invocation; None when it was handed on too often."""
        return replace(self, turn=self.turn + 1) if self.turn < _MOST_TURNS else None


@dataclass(frozen=True, slots=True)
class TenantsUnit:
    """The daily look at some tenants: what of them is too old, and which of their days have something to merge."""

    tenants: tuple[str, ...]
    removes: bool = False  # whether the clock is trusted with what is too old
    turn: int = 0  # how often it was handed on since its time was over

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "TenantsUnit | None":
        """The unit of an event; None of an event that is none."""
        if _TENANTS_KEY not in event:
            return None
        told = event[_TENANTS_KEY]
        return cls(tuple(map(str, told["tenants"])), bool(told.get("removes", False)), int(told.get("turn", 0)))

    @property
    def event(self) -> Mapping[str, Any]:
        """The event that hands the unit on."""
        return {_TENANTS_KEY: {"tenants": self.tenants, "removes": self.removes, "turn": self.turn}}

    def rest(self, done: int) -> "TenantsUnit | None":
        """The unit for another invocation, after so many of the tenants; None when it was handed on too often."""
        if self.turn >= _MOST_TURNS:
            return None
        return replace(self, tenants=self.tenants[done:], turn=self.turn + 1)


class Units:
    """Hands units to invocations of a function."""

    def __init__(self, session: aws_client.Session, function: str) -> None:
        """``function`` is the name or ARN of the compacting function, with its alias."""
        self._client = session.client("lambda", aws_client.config(_READ_SECONDS))
        self._function = function

    def send(self, unit: Work) -> None:
        """Have a unit done soon; raises StorageUnavailable and StoreError when Lambda does not take it."""
        with aws_client.reported(f"invoke {self._function}"):
            self._client.invoke(
                FunctionName=self._function, InvocationType="Event", Payload=json.dumps(unit.event).encode()
            )


def compacting_units(environment: Mapping[str, str], store: LambdaStore) -> Units | None:
    """The units of the function that the environment names; None when it names none."""
    function = environment.get("SPANLAKE_COMPACT_FUNCTION", "")
    return Units(store.objects.session, function) if function else None
