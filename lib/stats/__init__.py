"""Tests, models and intervals on arrays and frames; knows no study."""

ALPHA = 0.05  # chance of claiming a difference that isn't there
