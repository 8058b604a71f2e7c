"""Tests, models and intervals on arrays and frames; knows no study."""
