"""The classifiers of the mass-unspecific paper: one for all masses, those it is compared with, and two for one mass.

=================== =================== ================================= ==================================
recipe              events of the       background                        mass label
                    training
=================== =================== ================================= ==================================
``vlq`` (muBDT),    0.9 to 6.5 TeV,     in slices, as much as signal in   the reconstructed mass
``vlq-munn``        bins of 0.2 TeV     each bin
``vlq-wbdt``,       the same            inclusive, weighted: as much as   the reconstructed mass
``vlq-wnn``                             signal in each bin
``vlq-pnn``         all                 inclusive, unweighted             true, random for background
``vlq-pnn-b``       as ``vlq``          as ``vlq``                        true, random for background
``vlq-pnn-x``       all                 inclusive, unweighted             both
``vlq-mubdt-1000``, 0.9 to 1.1, 5.9 to  in slices                         the reconstructed mass
``vlq-mubdt-6000``  6.1 TeV
=================== =================== ================================= ==================================

Inclusive means drawn from the slices in proportion to the weights: what a sample without slices would hold.  Every signal
event counts one.  "In bins" is the reconstructed mass; in each bin either class has the same weight.

Of four parts of the events two are fitted to, one stops the training (and makes the table of a flat score), one is
evaluated, in turn (the paper: 5000, 3500 and the rest per bin).  Networks are 64-64, the best of five seeds; trees are at most 500 of depth 5 with a learning rate of 0.15, in which nothing
is random.  The score of ``vlq`` is made flat in the reconstructed mass for background, so that one threshold keeps the
background's shape.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from massgap.models.training.recipe import Recipe

__all__ = ["BALANCE", "MASS", "RECIPES"]

MASS = "m_t_prime"
"""The mass label: the reconstructed mass of T, GeV."""
BALANCE: dict[str, Any] = {"column": MASS, "low": 900.0, "high": 6500.0, "width": 200.0}
"""The bins of the paper, 28 of 0.2 TeV."""

_SOURCE = "J. A. Aguilar-Saavedra and S. Rodriguez Benitez, Mass-unspecific classifiers, arXiv:2503.20926"
_WITHOUT_MASS = ("pt_z_l1", "pt_z_l2", "m_top", "dphi_z_l3", "n_forward")

MUBDT = Recipe(
    "vlq",
    description="One classifier for all masses of T: balanced in bins of the reconstructed mass, which is an input",
    source=_SOURCE,
    region="selected",
    weighting="signal_counts",
    balance=BALANCE,
    flatten=MASS,
    n_folds=4,
    protocol="next_fold",
    early_stopping=20,
    hyperparameters={"n_trees": 500, "max_depth": 5, "eta": 0.15},
)
MUNN = Recipe(
    "vlq-munn",
    kind="mlp",
    description=f"{MUBDT.description}; a network",
    source=_SOURCE,
    region="selected",
    weighting="signal_counts",
    balance=BALANCE,
    n_folds=4,
    protocol="next_fold",
    hyperparameters={"hidden": (64, 64), "activation": "relu", "choose_epoch": "auc"},
    seeds=5,
)
PNN = replace(
    MUNN,
    name="vlq-pnn",
    description="A network parameterised in the mass of T: true for signal, random for background",
    features=_WITHOUT_MASS,
    weighting="drawn",
    balance=None,
    label="true:random",
)


def _at(mass: int) -> Recipe:
    """Trained at one mass, on the bin of 0.2 TeV around it."""
    return replace(
        MUBDT,
        name=f"vlq-mubdt-{mass}",
        description=f"A classifier for T of {mass} GeV alone",
        signal=(f"vlq_{mass}",),
        balance={**BALANCE, "low": mass - 100.0, "high": mass + 100.0},
        flatten=None,
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        MUBDT,
        MUNN,
        replace(
            MUBDT,
            name="vlq-wbdt",
            description="As vlq, with the background of a sample without slices",
            weighting="drawn",
            flatten=None,
        ),
        replace(
            MUNN,
            name="vlq-wnn",
            description="As vlq-munn, with the background of a sample without slices",
            weighting="drawn",
        ),
        PNN,
        replace(
            PNN,
            name="vlq-pnn-b",
            description="As vlq-pnn, balanced in bins of the reconstructed mass",
            weighting="signal_counts",
            balance=BALANCE,
        ),
        replace(
            PNN,
            name="vlq-pnn-x",
            description="As vlq-pnn, with the reconstructed mass as a further input",
            features=(MASS, *_WITHOUT_MASS),
        ),
        _at(1000),
        _at(6000),
        replace(
            MUNN,
            name="vlq-tabm",
            kind="tabm",
            description="As vlq-munn, with TabM: not of the paper, a modern network for tables on the same split",
            source="Y. Gorishniy et al., TabM, arXiv:2410.24210; the split and features of the mass-unspecific paper",
            hyperparameters={"choose_epoch": "auc"},
            seeds=1,
        ),
    )
}
