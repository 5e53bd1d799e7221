"""How each TFLite operator becomes layers: one file per family, one registry."""
