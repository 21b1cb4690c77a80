"""Tests of spanlake.serve."""
