"""What all studies' requests have in common."""
