"""A scenario on one system beside its baseline."""
