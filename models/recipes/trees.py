"""Boosted trees for any analysis: many small steps, stopped by events that nothing else uses."""

from __future__ import annotations

from massgap.models.training.recipe import Recipe

__all__ = ["RECIPES"]

RECIPES = {
    "trees": Recipe(
        "trees",
        description="Boosted trees with small steps for any analysis, stopped early on a split of the training events",
    )
}
