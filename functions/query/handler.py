"""Answers the Tempo API."""

from spanlake.aws_lambda import query

handler = query.handler()
