"""The report of a scenario."""
