"""Selection of the blocks that a query reads."""
