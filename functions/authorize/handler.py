"""Tells API Gateway whose request it is."""

from spanlake.aws.start import starting

with starting():
    from spanlake.aws import authorize

    handler = authorize.handler()
