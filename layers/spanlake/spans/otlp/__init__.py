"""Conversion between OTLP and the span table."""
