"""Exact solvers: dynamic and linear programs with their bounds."""
