"""Prices: the cost of every layer on every accelerator, kept and shared."""
