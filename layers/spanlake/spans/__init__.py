"""The span table: its schema, its column names, and kernels over it."""
