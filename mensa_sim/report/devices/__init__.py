"""Devices fitted to published runs."""
