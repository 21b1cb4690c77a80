"""Removes what is too old, replaced or nobody's, once a day."""

from spanlake.aws.start import starting

with starting():
    from spanlake.aws import expire

    handler = expire.handler()
