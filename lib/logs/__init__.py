"""Other people's measurements, read."""
