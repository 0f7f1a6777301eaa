"""Classifiers: folds, recipes, training, export to ONNX, and scores inside processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.models.folds import fold_key, held_out_fold
    from massgap.models.recipes.registry import find_recipe
    from massgap.models.scoring.scorer import OnnxScorer
    from massgap.models.training.recipe import Recipe
    from massgap.models.training.train_run import train_run
    from massgap.models.training.trained_folds import train

__all__ = ["OnnxScorer", "Recipe", "find_recipe", "fold_key", "held_out_fold", "train", "train_run"]

__getattr__, __dir__ = face(
    __name__,
    {
        "OnnxScorer": "scoring.scorer",
        "Recipe": "training.recipe",
        "find_recipe": "recipes.registry",
        "fold_key": "folds",
        "held_out_fold": "folds",
        "train": "training.trained_folds",
        "train_run": "training.train_run",
    },
)
