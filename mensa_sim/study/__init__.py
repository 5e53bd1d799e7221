"""Studies: what composes the stages and returns records."""
