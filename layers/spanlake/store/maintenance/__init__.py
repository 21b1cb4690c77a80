"""Compaction, retention, garbage collection and repair of the store."""
