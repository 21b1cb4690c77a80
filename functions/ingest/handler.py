"""Takes spans in over HTTP."""

from spanlake.aws_lambda import ingest

handler = ingest.handler()
