"""Queries of stored spans: traces by id, search, tags and metrics."""
