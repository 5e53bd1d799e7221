"""All candidates of some nests as numpy arrays: entries, orders of loops, what each operand does, what it costs."""
