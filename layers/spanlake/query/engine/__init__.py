"""Engines that run SQL over blocks."""
