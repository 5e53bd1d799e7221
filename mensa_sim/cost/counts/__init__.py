"""Counts: how often each operand is fetched and written under a mapping."""
