"""Homes: which tensors live on chip between their producer and their readers, and what layers cost beside them."""
