"""The report of a traced graph."""
