"""Two leptons, a photon and what escapes, at parton level: tree amplitudes of all diagrams, phase space, decays of taus."""
