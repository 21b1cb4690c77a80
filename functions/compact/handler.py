"""Merges small blocks into larger ones."""

from spanlake.aws_lambda import compact

handler = compact.handler()
