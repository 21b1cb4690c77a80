"""Authentication: bearer tokens and the tenants that they stand for."""
