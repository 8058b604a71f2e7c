"""What the results of a study say."""
