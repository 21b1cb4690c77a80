"""Answers the Tempo API."""

from spanlake.aws.start import deferred_models, starting

with starting(), deferred_models():
    from spanlake.aws import query

    handler = query.handler()
