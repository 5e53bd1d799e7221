"""Layers cut into pieces: each a smaller layer that the ordinary cost model prices."""
