"""Compilation of TraceQL to SQL."""
