"""Schedulers: from a problem to a schedule, one file each."""
