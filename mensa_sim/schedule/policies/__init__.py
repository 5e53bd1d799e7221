"""The schedulers, one file each, and their registry."""
