"""Where chunks are worked on: this process, other processes, dask."""
