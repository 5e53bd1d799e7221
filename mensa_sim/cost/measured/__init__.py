"""Measured devices: timing tables, fits to them, and what layers cost by both."""
