"""The faces that no function can have: listeners for gRPC."""
