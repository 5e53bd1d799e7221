"""The TFLite importer."""
