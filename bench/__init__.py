"""Benchmarks: what spanlake costs and how quickly it answers. Nothing here fails on a clock."""
