"""Reports: text tables, HTML figures and Perfetto traces from records."""
