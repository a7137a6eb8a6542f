"""Builds the shipped head model from CC0 data: reading, cutting, sampling, labelling and unwrapping."""
