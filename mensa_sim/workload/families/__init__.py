"""Layer families: the paper's ranges, and clusters found in the data."""
