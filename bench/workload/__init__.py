"""The spans and queries that the benchmarks use."""
