"""Amazon Athena as a query engine: SQL in its dialect, execution and results."""
