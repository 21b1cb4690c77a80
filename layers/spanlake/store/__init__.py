"""Where spans rest: objects hold the blocks, the index says which blocks are live."""
