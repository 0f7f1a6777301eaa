"""Classifiers of the smuon analysis: the paper's networks (its Table V), a modern one, and boosted trees on the same features.

The paper trains two networks, for smuons below and above 450 GeV, 37-50-50-1 (``smuon-low``, ``smuon-high``), and compares
three sets of features, those of the scores ``lowlevel``, ``derived`` and ``all``, in one network for all masses. Its text and its tables differ, or leave open, and are read so:

* 37 inputs, as the text says (its Table V prints 30); what is missing is the mean of the training events, and no input
  of its own: in the paper it is -10000 before standardisation.
* Electrons are rare in two-muon events: where a sample has none, their inputs are 0.
* ReLU between the layers, as Table V says, and the sigmoid at the end.
* Weights start around 0 (He et al.). A normal distribution around 1, as printed, makes all units of a layer alike.

Ten folds with the protocol ``next_fold`` are the paper's 8:1:1, rotated so that each event is scored by a network that has
not seen it.
"""

from __future__ import annotations

from massgap.models.training.recipe import Recipe

__all__ = ["BOUNDARY", "RECIPES"]

SOURCE = "A. Cornell et al., Improving smuon searches with Neural Networks, arXiv:2411.04526, section III"
BOUNDARY = 450.0
"""GeV: the mass of the smuon that the two networks are split at."""
PAPER = Recipe(
    "smuon-paper",
    kind="mlp",
    description="The paper's network for all masses and all 37 features: stochastic gradient descent for 500 epochs",
    source=SOURCE,
    region="preselection",
    weighting="components",
    n_folds=10,
    protocol="next_fold",
    early_stopping=500,
    hyperparameters={
        "hidden": [50, 50],
        "activation": "relu",
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.1,
        "weight_decay": 1e-4,
        "batch_size": 32,
        "epochs": 500,
        "choose_epoch": "f_beta+auc+precision+auprc",
        "missing": "mean",
        "constant": "ignore",
    },
)

MODERN = Recipe(
    "smuon",
    kind="mlp",
    description="A network for all masses by Adam with early stopping on the log loss, whose score is a probability",
    source="features and events as in " + SOURCE,
    region="preselection",
    weighting="components",
    n_folds=5,
    protocol="nested",
    early_stopping=15,
    hyperparameters={
        "hidden": [64, 64],
        "learning_rate": 3e-3,
        "batch_size": 512,
        "epochs": 200,
        "schedule": "cosine",
        "choose_epoch": "logloss",
        "constant": "ignore",
    },
)

TREES = Recipe(
    "smuon-bdt",
    description="Boosted trees on the same features and events",
    source="features and events as in " + SOURCE,
    region="preselection",
    weighting="components",
    n_folds=5,
    early_stopping=20,
)

_BELOW = {"m_slepton": (0.0, BOUNDARY)}
_ABOVE = {"m_slepton": (BOUNDARY, 1e5)}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        MODERN,
        MODERN.changed(name="smuon-modern-low", signal_masses=_BELOW),
        MODERN.changed(name="smuon-modern-high", signal_masses=_ABOVE),
        PAPER,
        PAPER.changed(
            name="smuon-low", signal_masses=_BELOW, description="The paper's network for low masses"
        ),
        PAPER.changed(
            name="smuon-high", signal_masses=_ABOVE, description="The paper's network for high masses"
        ),
        TREES,
    )
}
"""``massgap train RUN --name SCORE`` takes ``smuon-SCORE`` where there is one, else ``smuon``."""
