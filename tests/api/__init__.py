"""Tests of spanlake.api."""
