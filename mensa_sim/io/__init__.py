"""Input and output: the gate for YAML, writing whole files, shipped files."""
