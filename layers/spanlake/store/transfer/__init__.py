"""Export, backup and restore of stored spans."""
