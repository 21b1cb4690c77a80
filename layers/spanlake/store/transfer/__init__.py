"""Spans leave a store in formats of others, and whole stores are backed up."""
