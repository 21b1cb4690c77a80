"""The Tempo API: routes, parameters and responses."""
