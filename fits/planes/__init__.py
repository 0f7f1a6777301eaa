"""Whole mass planes: all signals of a run tested on one background, contours, and how well they are interpolated."""
