"""Ingestion over HTTP: OTLP, Jaeger and Zipkin."""
