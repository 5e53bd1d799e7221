"""Workloads: layers, layer graphs, and how a torch model becomes one."""
