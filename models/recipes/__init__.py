"""Recipes of classifiers, one file per analysis: each holds ``RECIPES``, name -> recipe."""
