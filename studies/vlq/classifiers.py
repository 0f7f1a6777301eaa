"""The nine classifiers of the study, and one of today's networks beside them: where each is, by which recipe, and how figures show it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CLASSIFIERS", "FLAT", "MASS_UNSPECIFIC", "MODERN", "OTHERS", "Classifier", "label_of", "of_mass"]


class Classifier(NamedTuple):
    """One of them.

    Attributes
    ----------
    place
        Its model folder in that of the study.
    recipe, label, color, line
        Name of the recipe; label, colour and line style in figures.
    mass
        The only mass that it is trained on, GeV; 0 for all.
    """

    place: str
    recipe: str
    label: str
    color: str
    line: str = "-"
    mass: float = 0.0


CLASSIFIERS = (
    Classifier("models/mubdt", "vlq", r"$\mu$BDT", "#3f90da"),
    Classifier("models/munn", "vlq-munn", r"$\mu$NN", "#bd1f01"),
    Classifier("models/wbdt", "vlq-wbdt", "wBDT", "#3f90da", ":"),
    Classifier("models/wnn", "vlq-wnn", "wNN", "#bd1f01", ":"),
    Classifier("models/pnn", "vlq-pnn", "pNN", "#832db6"),
    Classifier("models/pnn_b", "vlq-pnn-b", r"pNN$_B$", "#ffa90e"),
    Classifier("models/pnn_x", "vlq-pnn-x", r"pNN$_X$", "#94a4a2"),
    Classifier("models/mubdt_1000", "vlq-mubdt-1000", r"$\mu$BDT$_{1000}$", "black", "--", 1000.0),
    Classifier("models/mubdt_6000", "vlq-mubdt-6000", r"$\mu$BDT$_{6000}$", "black", "--", 6000.0),
    Classifier("models/tabm", "vlq-tabm", r"TabM", "#92dadd", "-."),
)
MODERN = "models/tabm"
"""Not of the paper: a modern network for tables on the same events as muNN."""
FLAT = "models/mubdt"
"""The one that the analysis cuts on: its score is flat in the reconstructed mass for background."""
MASS_UNSPECIFIC = ("models/mubdt", "models/munn")
OTHERS = ("models/wbdt", "models/wnn", "models/pnn", "models/pnn_b", "models/pnn_x")
"""Those that the paper finds as good or worse."""


def of_mass(mass: float) -> str | None:
    """Place of the classifier of one mass, GeV.

    >>> of_mass(6000.0), of_mass(2000.0)
    ('models/mubdt_6000', None)
    """
    return next((c.place for c in CLASSIFIERS if c.mass == mass), None)


def label_of(place: str) -> str:
    """How text calls a classifier.

    >>> label_of("models/pnn_b"), label_of("models/mubdt_1000")
    ('pNN_B', 'muBDT_1000')
    """
    label = next(c.label for c in CLASSIFIERS if c.place == place)
    return label.replace(r"$\mu$", "mu").replace("$", "").replace("{", "").replace("}", "")
