"""Fits of a kernel model to measured timings."""
