"""Tiles: layers split over accelerators, and pipelines of layers cut into tiles."""
