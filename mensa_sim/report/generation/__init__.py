"""The answer of a workload that generates, in the report of its run."""
