"""The cascade-decays study: variables, discovery, spins and the mass scale, from events at parton level."""
