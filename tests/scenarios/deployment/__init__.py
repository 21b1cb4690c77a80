"""The ways to run spanlake that docs/install.md names."""
