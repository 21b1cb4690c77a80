"""Ingestion: admission, group commit, decoding, validation and storage of requests."""
