"""Ingest: requests are admitted, grouped, decoded, validated, stored, and only then acknowledged."""
