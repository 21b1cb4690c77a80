"""Tells API Gateway whose request it is."""

from spanlake.aws_lambda import authorize

handler = authorize.handler()
