"""AWS Lambda functions, one module each, and what they share."""
