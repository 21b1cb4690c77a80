"""Output of answers to a terminal."""
