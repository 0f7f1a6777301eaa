"""What one stage writes and another reads: each format with its writer and reader."""
