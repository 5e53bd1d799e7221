"""Scenarios: streams of requests of several workloads."""
