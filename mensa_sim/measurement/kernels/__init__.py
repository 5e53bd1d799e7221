"""Kernels: from a record to something that runs on a device."""
