"""Cutting what one accelerator runs into stacks."""
