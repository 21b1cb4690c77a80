"""Makes the pages of docs/ that are derived from the code; no part of the package."""
