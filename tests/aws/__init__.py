"""Functions as Lambda runs them."""
