"""Tells API Gateway whose request it is."""

from spanlake.aws import authorize

handler = authorize.handler()
