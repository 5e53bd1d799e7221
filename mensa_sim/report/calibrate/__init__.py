"""Constants fitted to a table."""
