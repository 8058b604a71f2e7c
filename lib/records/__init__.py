"""What a run leaves: its record, its progress, and the table of many runs."""
