"""Prefect flows and the command line: what runs, in which order, and what the dashboards show."""
