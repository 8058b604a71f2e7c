"""The paper of 2023 alone: its tables, its package, what its data say."""
