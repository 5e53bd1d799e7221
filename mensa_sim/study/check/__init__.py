"""Checking files."""
