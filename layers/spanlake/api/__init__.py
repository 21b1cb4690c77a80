"""The HTTP API: ingestion, the Tempo API and operations."""
