"""Importers: from what a user brings to a layer graph, one folder per kind of source."""
