"""Answers questions about stored spans: traces by id, searches, tags and metrics."""
