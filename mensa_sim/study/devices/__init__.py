"""What devices reach of their datasheets, fitted to published runs of language models."""
