"""Attempts to merge blocks, in the DynamoDB table of an index."""

import time
from datetime import date

from spanlake.store.index.base import MergeKey, UnfinishedMerge
from spanlake.store.index.dynamodb.items import Update
from spanlake.store.index.dynamodb.requests import Requests
from spanlake.store.index.dynamodb.table import EXPIRES, MERGES, Key

_KEPT_SECONDS = 30 * 86_400
_LONGEST_REASON = 1000  # characters


class Merges:
    """Counts the attempts at merges that have not ended; safe to share between threads."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def begin(self, merge: MergeKey) -> None:
        """Count an attempt."""
        now = int(time.time())
        put = {"seconds": now, EXPIRES: now + _KEPT_SECONDS}
        self._requests.update(Update(_key(merge), put=put, add={"attempts": 1}))

    def end(self, merge: MergeKey, failure: str) -> None:
        """Forget the attempts, or record why the last one failed."""
        if failure:
            put = {"seconds": int(time.time()), "reason": failure[:_LONGEST_REASON]}
            self._requests.update(Update(_key(merge), put=put))
        else:
            self._requests.delete([_key(merge)])

    def unfinished(self) -> list[UnfinishedMerge]:
        """Return all merges that have begun and have not ended."""
        return [
            UnfinishedMerge(_merge(item["sk"]), item.get("attempts", 0), item.get("reason", ""), item["seconds"])
            for item in self._requests.query(MERGES)
        ]


def _key(merge: MergeKey) -> Key:
    return MERGES, f"{merge.tenant}#{merge.date.isoformat()}#{merge.id}"


def _merge(name: str) -> MergeKey:
    tenant, day, id_ = name.split("#")
    return MergeKey(tenant, date.fromisoformat(day), id_)
