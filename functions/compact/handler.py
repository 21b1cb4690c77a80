"""Merges small blocks into larger ones."""

from spanlake.aws import compact

handler = compact.handler()
