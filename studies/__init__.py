"""One paper, one folder: what a study consists of, and the numbers of its paper."""
