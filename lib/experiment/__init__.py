"""The protocol of one run, and its record."""
