"""The classifiers of the electroweakino analysis: a TabNet for each channel, as in section IV of the paper.

Eight wide decisions and attentions, gamma 1.3, two shared and two independent gated layers, Adam with a learning rate of 0.02,
binary cross-entropy, batches of 16,384.  What the paper does not give are the defaults of the library that it used: three
steps, sparsity 1e-3, momentum 0.02, virtual batches of 128, at most 100 epochs with a patience of 10.  ``electroweakino`` chooses
the epoch on a split of the training events; ``electroweakino-paper`` trains on nine tenths and chooses it on the tenth that is
evaluated, in each of ten rotations, where the paper has one.
"""

from __future__ import annotations

from dataclasses import replace

from massgap.models.training.recipe import Recipe

__all__ = ["RECIPES"]

ELECTROWEAKINO = Recipe(
    "electroweakino",
    kind="tabnet",
    description="Electroweakinos in vector boson fusion against tt, V + jets and VV + jets, one network for each channel",
    source=(
        "U. S. Qureshi, A. Gurrola and A. Florez, Probing Compressed Mass Spectrum Supersymmetry at the LHC with the "
        "Vector Boson Fusion Topology, section IV"
    ),
    early_stopping=10,
    hyperparameters={
        "n_d": 8,
        "n_a": 8,
        "n_steps": 3,
        "gamma": 1.3,
        "n_shared": 2,
        "n_independent": 2,
        "lambda_sparse": 1e-3,
        "bn_momentum": 0.02,
        "learning_rate": 0.02,
        "batch_size": 16384,
        "virtual_batch_size": 128,
        "epochs": 100,
    },
)

RECIPES = {
    "electroweakino": ELECTROWEAKINO,
    "electroweakino-paper": replace(
        ELECTROWEAKINO, name="electroweakino-paper", n_folds=10, protocol="held_out"
    ),
}
