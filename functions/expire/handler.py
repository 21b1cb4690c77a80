"""Removes what is too old, replaced or nobody's, once a day."""

from spanlake.aws import expire

handler = expire.handler()
