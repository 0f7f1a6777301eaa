"""The classifier of the slepton analysis: boosted trees as in section IV.C of the paper.

Each of three rotated folds trains on the events of the other folds and is evaluated on its own. Up to 50 trees of depth 5,
learning rate 0.5, lambda 0.01, gamma 0, early stopping after 5; the weight sums of signal and background are each one.
``slepton`` stops on a nested split, so that the evaluation is clean; ``slepton-paper`` stops on the fold that is evaluated
and uses all trees, as the paper does. ``slepton-any`` is one classifier for all spectra: every spectrum weighs about the same, and up to 600 trees
of depth 4 with a learning rate of 0.05 stop after 15 without gain. ``slepton-parameterised`` is the same that is told the masses: an
input for each, the true one for signal and one drawn from those of the signals for background (Baldi et al., arXiv:1601.07913).
``slepton-ten-folds`` is the paper's signal in small steps, and each classifier fitted to four fifths of the events in place of
half of them. Of depths 3 to 6 with steps of 0.05 and 0.1, depth 5 with 0.1 and depth 6 with 0.05 have the lowest losses of the
events that stop the training (0.4152 for three folds, 0.4135 and 0.4125 for ten); the first is taken, which has half the trees.
"""

from __future__ import annotations

from dataclasses import replace

from massgap.models.training.recipe import Recipe

__all__ = ["RECIPES"]

SLEPTON = Recipe(
    "slepton",
    description="Slepton pairs with small gaps against the backgrounds with two muons and a jet",
    source=(
        "B. Dutta et al., Applying machine learning techniques to searches for lepton-partner pair-production, "
        "section IV.C"
    ),
    region="precuts",
    # The two backgrounds that no mass peak gives away: M_T2 ranks first against them.
    subsets={"tt+WW": ("tt", "WW")},
    early_stopping=5,
    hyperparameters={
        "n_trees": 50,
        "max_depth": 5,
        "eta": 0.5,
        "lambda": 0.01,
        "gamma": 0.0,
        # The library's default of 1 forbids every split once the weight sums are normalised to one.
        "min_child_weight": 0.0,
        "base_score": 0.5,
        "max_bin": 256,
    },
)

#: Leading-order cross section of pairs of 110 GeV over that of a mass (GeV), which cancels it in the training.
_OF_MASS = {110: 1.0, 160: 3.9, 300: 45.7}
_ANY = replace(
    SLEPTON,
    name="slepton-any",
    description="Slepton pairs of any mass and gap against the backgrounds with two muons and a jet",
    # Twelve spectra take more than one: many small steps in place of the paper's few large ones.
    early_stopping=15,
    hyperparameters={**SLEPTON.hyperparameters, "n_trees": 600, "max_depth": 4, "eta": 0.05},
    # Two spectra are left out, to see how it does on what it has not seen.
    signal=(
        *(f"slepton_110_{lsp}" for lsp in (80, 60, 50)),
        *(f"slepton_160_{lsp}" for lsp in (130, 120, 100)),
        *(f"slepton_300_{lsp}" for lsp in (270, 260, 250, 240)),
    ),
    process_weights={
        f"slepton_{m}_{m - gap}": factor
        for m, factor in _OF_MASS.items()
        for gap in (30, 40, 50, 60)
        if factor != 1.0
    },
)

_PARAMETERISED = replace(
    _ANY,
    name="slepton-parameterised",
    description="Slepton pairs against the backgrounds with two muons and a jet, parameterised in both masses",
    label="true:random",
    hyperparameters={**_ANY.hyperparameters, "eta": 0.1, "max_depth": 5},
)

_TEN_FOLDS = replace(
    SLEPTON,
    name="slepton-ten-folds",
    description="Slepton pairs against the backgrounds with two muons and a jet, in small steps and ten folds",
    n_folds=10,
    early_stopping=15,
    hyperparameters={**SLEPTON.hyperparameters, "n_trees": 600, "eta": 0.1},
)

RECIPES = {
    "slepton": SLEPTON,
    "slepton-any": _ANY,
    "slepton-parameterised": _PARAMETERISED,
    "slepton-paper": replace(SLEPTON, name="slepton-paper", protocol="held_out"),
    "slepton-ten-folds": _TEN_FOLDS,
}
