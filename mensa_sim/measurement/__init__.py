"""Measurement: kernel timing on a real device."""
