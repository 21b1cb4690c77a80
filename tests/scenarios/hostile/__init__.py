"""Hostile input: bombs, random mutations, and what they may cost."""
