"""The kit of every report: page, figures, colours, tables, quantities."""
