"""Mapping: how loops are unrolled and tiled, which candidates there are, and which is best."""
