"""Building layer graphs: operations on tensors in, layers and the bytes between them out."""
