"""Makes Lambda layers: which packages are in them, of which wheels, and what is left out to save room.

What is in the image of the edge is chosen and trimmed in the same ways.
"""
