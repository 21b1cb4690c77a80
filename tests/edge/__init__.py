"""Tests of spanlake.edge."""
