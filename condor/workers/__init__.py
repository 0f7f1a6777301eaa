"""dask workers on a pool or at a facility."""
