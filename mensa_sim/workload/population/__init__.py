"""Populations of models drawn from published statistics of their layers."""
