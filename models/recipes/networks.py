"""Networks for any analysis: dense ones, TabNet and TabM with usual settings, the epoch chosen by events that nothing else uses."""

from __future__ import annotations

from massgap.models.training.recipe import Recipe

__all__ = ["RECIPES"]

RECIPES = {
    "mlp": Recipe(
        "mlp",
        kind="mlp",
        description="A dense network 64-64 for any analysis, the epoch chosen on a split of the training events",
    ),
    "tabnet": Recipe(
        "tabnet",
        kind="tabnet",
        description="TabNet for any analysis, the epoch chosen on a split of the training events",
        source="S. Arik and T. Pfister, TabNet, arXiv:1908.07442; numbers that are not given there as in pytorch-tabnet",
    ),
    "tabm": Recipe(
        "tabm",
        kind="tabm",
        description="TabM of 32 members 64-64 for any analysis, the epoch chosen on a split of the training events",
        source="Y. Gorishniy et al., TabM, arXiv:2410.24210, smaller than there",
    ),
}
