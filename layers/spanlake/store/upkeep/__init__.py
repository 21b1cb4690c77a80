"""Maintenance of the store: compaction, retention, and removal of objects that are not needed any more."""
