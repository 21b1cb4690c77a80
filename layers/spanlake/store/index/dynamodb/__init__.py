"""The index in a DynamoDB table."""
