"""Hardware: accelerators, memories, technology and systems, as records and YAML."""
