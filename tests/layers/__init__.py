"""The Lambda layers, built and used."""
