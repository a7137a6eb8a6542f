"""Readers for data that users bring."""
