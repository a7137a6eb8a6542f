"""Morphable heads."""
