"""The span table: its schema, its columns' names, and the ways from OTLP to it and back."""
