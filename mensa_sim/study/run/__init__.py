"""One workload on one system beside its baseline."""
