"""Questions to a server of the Tempo API, over HTTP."""
