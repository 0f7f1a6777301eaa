"""Numbers of a folder of the smuon study, by what they are of."""
