"""What can be known before a long run."""
