"""Figures and tables of reports as files of their own."""
