"""Experiments: changes that show by which mechanism a figure differs."""
