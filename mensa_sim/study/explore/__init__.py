"""Exploration of a design space."""
