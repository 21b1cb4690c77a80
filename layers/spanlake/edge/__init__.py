"""Listeners for gRPC and UDP, which Lambda functions cannot have."""
