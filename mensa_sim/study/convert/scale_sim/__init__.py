"""SCALE-Sim's files (Samajdar et al., ISPASS 2020; version 3): configurations and topologies."""
