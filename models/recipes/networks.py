"""Networks for any analysis: dense ones and TabNet with usual settings, the epoch chosen by events that nothing else uses."""

from __future__ import annotations

from massgap.models.training.recipe import Recipe

__all__ = ["RECIPES"]

RECIPES = {
    "mlp": Recipe(
        "mlp",
        kind="mlp",
        description="A dense network 64-64 for any analysis, the epoch chosen on a split of the training events",
    ),
}
