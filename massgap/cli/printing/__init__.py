"""What commands print: results in words, and the live table of a run."""
