"""The span table: its schema, the names of its columns, and the conversions from OTLP and back to OTLP."""
