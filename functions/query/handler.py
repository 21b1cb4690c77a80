"""Answers the Tempo API."""

from spanlake.aws import query

handler = query.handler()
