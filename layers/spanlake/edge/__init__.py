"""Ingestion over gRPC and UDP."""
