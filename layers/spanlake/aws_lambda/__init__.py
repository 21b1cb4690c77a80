"""spanlake as AWS Lambda runs it: one module a function, and what functions share."""
