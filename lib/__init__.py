"""Train networks, measure what that takes, and say what the figures are worth."""

__version__ = "0.1.0"
