"""Authentication and authorization: credentials, the tenants and roles that they grant, and roles of endpoints."""
