"""Single production of a heavy partner of the top quark, T -> t Z: three leptons, one of them in a fat jet.

The analysis of J. A. Aguilar-Saavedra and S. Rodriguez Benitez, "Mass-unspecific classifiers for mass-dependent searches"
(the mass-unspecific paper): its preselection cuts, its reconstruction, its six variables, and a threshold that keeps the
background's shape.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from massgap.contracts.description import Cut, Region, Score
from massgap.events.errors import MissingBranchError
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.options import threshold
from massgap.processors.errors import ProcessorError
from massgap.selections.vlq.features import CUTFLOW, FEATURE_NAMES, FEATURES, vlq_features
from massgap.selections.vlq.objects import passes_lepton_cuts
from massgap.selections.vlq.processes import PROCESSES

if TYPE_CHECKING:
    from massgap.arrays.jagged.collection import Collection
    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Vlq"]

LABELS = {
    "leptons": "three leptons",
    "pt_z": "pT(Z) > 60",
    "fat_jet_away": "fat jet away from the Z leptons",
    "fat_jet": "third lepton in the fat jet",
    "slim_jet": "slim jet",
    "dr_z_j": "dR(Z, J) >= 1",
}
"""Cut -> step of the cutflow: the six columns of the paper's table."""


class Vlq(Analysis):
    """The search for T -> t Z as a coffea processor.

    The third lepton is one of the products of a boosted top quark: no lepton has to be isolated.

    Parameters
    ----------
    model
        Path of an ONNX model made by ``massgap train``, or the folder with it.
    min_pt_beside_lepton
        The fat jet must hold more than this (GeV) beside the third lepton.  Leptons are clustered, so that a hard one is a
        fat jet of its own, which the paper's efficiencies show not to be counted; 0 counts them.
    rescale_met
        For complex roots of the neutrino, rescale MET until they are one real root, instead of taking the real part.
    background_efficiency
        Share of the background that the region ``tagged`` keeps, the same at each reconstructed mass.  It needs a model whose
        score is flat in it (``massgap train --flatten m_t_prime``, as the recipes of this analysis do).
    options
        See :class:`massgap.processors.base.analysis.Analysis`.

    Raises
    ------
    ProcessorError
        If a threshold cannot be, or ``background_efficiency`` is given without a model whose score is flat.
    massgap.models.errors.ModelError
        If the model does not fit the six variables, or is parameterised in the mass and no hypothesis is given.

    Examples
    --------
    >>> Vlq(min_pt_beside_lepton=0).min_pt_beside_lepton
    0.0
    """

    name = "vlq"
    title = "A heavy top partner in three leptons, one of them in a fat jet"
    source = "J. A. Aguilar-Saavedra and S. Rodriguez Benitez, Mass-unspecific classifiers (2503.20926)"
    channel = "3l"
    observables = FEATURES
    scores: tuple[Score, ...] = (Score("score", "Mass-unspecific score", regions=("selected",)),)
    processes = PROCESSES
    luminosity = 3000.0

    def __init__(
        self,
        model: Any = None,
        *,
        min_pt_beside_lepton: float = 80.0,
        rescale_met: bool = False,
        background_efficiency: float | None = None,
        **options: Any,
    ) -> None:
        self.scores = _scores_of(model, type(self).scores)
        super().__init__(model, **options)
        self.min_pt_beside_lepton = threshold("min_pt_beside_lepton", min_pt_beside_lepton)
        self.rescale_met = bool(rescale_met)
        self.background_efficiency = self._share(background_efficiency)
        selected = Region("selected", "Preselection")
        self.regions = (selected,)
        if self.background_efficiency is not None:
            least = 1.0 - self.background_efficiency
            cut = Cut("tagged", "score", lambda score: score > least, edges=(least,))
            self.regions = (selected, Region("tagged", "Mass-unspecific tag", within="selected", cuts=(cut,)))

    def select(self, event: Event, flow: Flow) -> None:
        """The preselection cuts and the reconstruction of T."""
        leptons = event.leptons.where(event.leptons.identified)
        event = event.with_(leptons=leptons)
        event = flow.keep(event, LABELS["leptons"], passes_lepton_cuts(event.leptons))
        found = vlq_features(
            event.leptons,
            self._fat_jets(event),
            event.jets.where(event.jets.identified),
            event.met,
            rescale_met=self.rescale_met,
            min_pt_beside_lepton=self.min_pt_beside_lepton,
        )
        *earlier, last = CUTFLOW[1:]
        for cut in earlier:
            flow.count(LABELS[cut], found.cutflow[cut])
        selected = found.cutflow[last]
        event = flow.keep(event, LABELS[last], selected)
        flow.record(event, {name: found.quantities[name][selected] for name in FEATURE_NAMES})

    def _fat_jets(self, event: Event) -> Collection:
        try:
            return event.fat_jets
        except MissingBranchError as error:
            remedy = "The third lepton lies in a fat jet; read another collection with --collections fat_jets=NAME."
            raise MissingBranchError(error.branch, error.where, remedy) from error

    def _share(self, value: float | None) -> float | None:
        """The background efficiency, which needs a model whose score is flat in the reconstructed mass."""
        if value is None:
            return None
        if not (math.isfinite(float(value)) and 0.0 < float(value) < 1.0):
            msg = f"background_efficiency is {value}: a share between 0 and 1 is needed, for instance 0.01"
            raise ProcessorError(msg)
        model = self.models.get("score")
        if model is None:
            msg = "background_efficiency needs the score of a model: --model FILE, made by massgap train"
            raise ProcessorError(msg)
        column = FEATURE_NAMES[0]
        if model.metadata.get("massgap.flatten") != column:
            msg = (
                f"background_efficiency needs a score that is flat in {column} for background, and that of {model.path} is "
                f"not: massgap train RUN_FOLDER --flatten {column}"
            )
            raise ProcessorError(msg)
        return float(value)


def _scores_of(model: Any, declared: tuple[Score, ...]) -> tuple[Score, ...]:
    """The score, of those of the six variables that its model takes: parameterised ones take the mass from the hypothesis."""
    if isinstance(model, dict):  # of one model at several hypotheses each has its name
        model = next(iter(model.values()), None)
    if model is None or not declared:
        return declared
    from massgap.models.scoring.hypothesis import AS_COLUMNS
    from massgap.models.scoring.scorer import OnnxScorer

    wanted = OnnxScorer(model, hypothesis=AS_COLUMNS).features
    features = tuple(name for name in wanted if name in FEATURE_NAMES)
    return tuple(replace(score, features=features) for score in declared)
