"""How each ONNX operator becomes layers: one file per family, one registry."""
