"""mensa-sim: a simulator of heterogeneous edge accelerators and their scheduler."""

__version__ = "0.1.0"
