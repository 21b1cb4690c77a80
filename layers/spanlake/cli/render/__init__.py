"""Rendering of responses on a terminal."""
