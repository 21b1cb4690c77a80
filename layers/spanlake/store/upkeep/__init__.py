"""What keeps the store small and quick: compaction, retention, and the removal of what nobody needs any more."""
