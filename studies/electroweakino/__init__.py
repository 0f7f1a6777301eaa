"""Electroweakinos in vector boson fusion: the study of the vbf-electroweakino paper."""
