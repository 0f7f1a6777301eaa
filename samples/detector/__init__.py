"""The parametrised detector and its cards."""
