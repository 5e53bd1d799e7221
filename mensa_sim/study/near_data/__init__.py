"""What others publish of units in the memory, recomputed against the baselines that they took."""
