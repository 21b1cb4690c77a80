"""Takes spans in over HTTP."""

from spanlake.aws.start import starting

with starting():
    from spanlake.aws import ingest

    handler = ingest.handler()
