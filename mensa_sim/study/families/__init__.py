"""The families of many workloads."""
