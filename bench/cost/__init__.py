"""The monthly cost on AWS, from measured results."""
