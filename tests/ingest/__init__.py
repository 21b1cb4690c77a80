"""Tests of spanlake.ingest."""
