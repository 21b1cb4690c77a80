"""A single process with embedded storage and all listeners, which shuts down in order."""
