"""Makes Lambda layers: which packages are in them, of which wheels, and what is left out to save room."""
