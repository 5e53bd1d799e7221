"""The torch importer: modules and exported programs."""
