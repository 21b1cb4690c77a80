"""Builds Lambda layers: the packages in each, their wheels, and the files left out to save space.

The image of the edge is built and trimmed by the same modules.
"""
