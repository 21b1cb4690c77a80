"""Storage of spans: blocks as objects, and an index of the live blocks."""
