"""A GPU that nobody measured, from its data sheet: an accelerator file, and what to expect of it."""
