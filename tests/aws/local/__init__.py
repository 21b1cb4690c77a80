"""AWS in one process, as far as functions see it: Lambda, an HTTP API before it, and a table's stream behind it."""
