"""Tests of spanlake.server."""
