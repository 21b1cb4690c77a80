"""Answers the Tempo API."""

from spanlake.aws.start import starting

with starting():
    from spanlake.aws import query

    handler = query.handler()
