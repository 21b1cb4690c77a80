"""The server process: ports, listeners, storage and an orderly shutdown."""
