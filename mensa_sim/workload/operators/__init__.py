"""How each ATen operator becomes layers: one file per family, one registry."""
