"""Technology: energy, leakage and area of components, with their sources."""
