"""What whole ensembles of events tell of the cascade study: spins, the mass scale, intervals that cover, fits beside them."""
