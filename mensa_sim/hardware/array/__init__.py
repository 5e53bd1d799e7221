"""A PE array: its axes, its dataflow, and its levels of memory."""
