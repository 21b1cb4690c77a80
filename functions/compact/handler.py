"""Merges small blocks into larger ones."""

from spanlake.aws.start import starting

with starting():
    from spanlake.aws import compact

    handler = compact.handler()
