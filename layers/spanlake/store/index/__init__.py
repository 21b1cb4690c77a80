"""The index of live blocks: the interface, SQLite and DynamoDB."""
