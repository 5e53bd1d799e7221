"""The discrete-event engine: accelerators, channels and the clock."""
