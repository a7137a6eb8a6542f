"""Cameras, rasteriser, signed distance, Poisson, warping."""
