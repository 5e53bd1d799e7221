"""Stacks: layers that run tile by tile, so that what flows between them never leaves the chip."""
