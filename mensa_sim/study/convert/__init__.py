"""Converting other tools' files to ours: accelerators and workloads of ZigZag, Timeloop and SCALE-Sim."""
