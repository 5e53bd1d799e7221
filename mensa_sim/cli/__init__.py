"""What a terminal types."""
