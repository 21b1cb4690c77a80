"""Takes spans in over HTTP."""

from spanlake.aws import ingest

handler = ingest.handler()
