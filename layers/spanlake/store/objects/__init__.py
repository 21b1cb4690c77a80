"""Object storage: the interface, local directories and S3."""
