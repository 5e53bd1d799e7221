"""The report of families."""
