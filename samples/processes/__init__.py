"""Which processes there are, and their settings."""
