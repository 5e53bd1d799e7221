"""Fitting constants to measurements."""
