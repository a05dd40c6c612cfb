"""What was spoken, for whom, and how well: rows of usage, metrics."""
