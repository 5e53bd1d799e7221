"""Metrics: what a timeline says of latency, energy and load."""
