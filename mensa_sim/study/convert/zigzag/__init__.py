"""ZigZag's files (Mei et al., IEEE TC 70(8) 2021; version 3): accelerators, their mappings, workloads."""
