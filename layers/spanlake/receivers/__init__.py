"""Protocols of clients: a module for each protocol, from bytes to a span table."""
