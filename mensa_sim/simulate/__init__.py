"""Simulation: from a schedule to a timeline of spans."""
