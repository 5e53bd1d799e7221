"""Timeloop's files (Parashar et al., ISPASS 2019; version 0.4): architectures and problems."""
