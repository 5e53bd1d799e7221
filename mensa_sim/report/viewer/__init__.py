"""Traces for viewers of others."""
