"""Answers of the Tempo API as small frozen classes; malformed ones raise MalformedAnswer."""
