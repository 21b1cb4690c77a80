"""A client of the Tempo API, and its responses as frozen classes."""
