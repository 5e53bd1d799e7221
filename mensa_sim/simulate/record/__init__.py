"""Records: spans, timelines, and sums of what happened."""
