"""Preparation for SnapStart: no random state of a function may be the same in all instances of one snapshot."""

import random


def prepare_for_snapshot() -> None:
    """Have the pauses between attempts drawn anew in each instance, so that they do not all try again at once.

    Tokens and ids come from the system's generator, which a snapshot does not hold.
    """
    from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]

    register_after_restore(random.seed)
