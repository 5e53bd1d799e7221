"""Whether conclusions survive changes of what is uncertain."""
