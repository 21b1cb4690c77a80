"""Client of the Tempo API over HTTP."""
