"""The first requests after a quiet second are told from those that follow."""

from spanlake.ingest.quiet_spells import _FIRST, _QUIET_SECONDS, QuietSpells


def test_first_requests_after_a_quiet_spell_are_early() -> None:
    now = 100.0
    spells = QuietSpells(lambda: now)
    assert [spells.come() for _ in range(_FIRST + 2)] == [True] * _FIRST + [False] * 2
    for _ in range(5):  # never quiet for long enough
        now += _QUIET_SECONDS * 0.9
        assert not spells.come()
    now += _QUIET_SECONDS
    assert [spells.come() for _ in range(_FIRST + 1)] == [True] * _FIRST + [False]
