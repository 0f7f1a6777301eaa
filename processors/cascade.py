"""Cascades of three decays: two muons, a photon and missing momentum.

The analysis of R. Haq, C. Kilic, B. Lawrence-Sanderson and R. Sudha, "Applying machine learning techniques to
intermediate-length cascade decays" (the cascade-decays paper): section IV.A for the selection, II and V for the observables.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from massgap.contracts.description import Region, Score
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.options import threshold
from massgap.processors.errors import ProcessorError
from massgap.selections.cascade.cuts import (
    passes_acceptance,
    passes_dimuon_mass,
    passes_dimuon_photon_trigger,
    passes_dimuon_trigger,
)
from massgap.selections.cascade.features import CASCADE_FEATURES, cascade_features
from massgap.selections.cascade.momenta import DIRECTION_FEATURES, MOMENTA, directions
from massgap.selections.cascade.processes import PROCESSES
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, falling_spectrum
from massgap.selections.objects.definitions import select_jets, select_muons, select_photons
from massgap.selections.objects.pairs import opposite_sign_pair

if TYPE_CHECKING:
    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Cascade"]

HIGH_LEVEL = tuple(feature.name for feature in CASCADE_FEATURES)


class Cascade(Analysis):
    """The cascade analysis as a coffea processor.

    The paper is at parton level and leaves open what isolates the photon and which hadrons are vetoed; both have a threshold here.

    Parameters
    ----------
    model
        Path of an ONNX model made by ``massgap train``, for the score ``momenta`` or ``observables``: NAME=FILE.
    spectrum
        Masses of X, Y, Z and chi that Delta_4 assumes, GeV, falling: 691,660,631,600 is the paper's testing spectrum.
    veto_jet_pt
        Events with a jet above this pT (GeV) and within abs(eta) < 4.5 are vetoed, if it is no muon and no photon.
    photon_muon_distance
        The photon must be farther than this in eta and phi from both muons; 0 takes photons that muons radiate, too.
    isolation
        Largest sum of pT around a muon (0.4) or photon (0.3), as a share of its own.
    options
        See :class:`massgap.processors.base.analysis.Analysis`.

    Raises
    ------
    ProcessorError
        If an option has a value that it cannot have, or a model was trained with Delta_4 of another spectrum.
    massgap.arrays.errors.SelectionError
        If the masses do not fall.
    massgap.models.errors.ModelError
        If a model does not fit the observables.

    Examples
    --------
    >>> Cascade(spectrum=(390, 360, 330, 300)).spectrum
    (390.0, 360.0, 330.0, 300.0)
    """

    name = "cascade"
    title = "Cascades of three decays in two muons, a photon and missing momentum"
    source = (
        "R. Haq, C. Kilic, B. Lawrence-Sanderson and R. Sudha, Applying machine learning techniques to "
        "intermediate-length cascade decays, Phys. Rev. D 108 (2023) 035002"
    )
    channel = "mumugamma"
    observables = (*CASCADE_FEATURES, *DIRECTION_FEATURES)
    regions = (Region("selected", "Selected events"),)
    scores = (
        Score("momenta", "Network of the momenta", regions=("selected",), features=MOMENTA),
        Score("observables", "Network of the observables", regions=("selected",), features=HIGH_LEVEL),
    )
    processes = PROCESSES
    luminosity = 3000.0

    def __init__(
        self,
        model: Any = None,
        *,
        spectrum: tuple[float, ...] | list[float] = tuple(TESTING_SPECTRUM),
        veto_jet_pt: float = 30.0,
        photon_muon_distance: float = 0.4,
        isolation: float = 0.25,
        **options: Any,
    ) -> None:
        self.spectrum = tuple(falling_spectrum(spectrum))
        super().__init__(model, **options)
        self.veto_jet_pt = threshold("veto_jet_pt", veto_jet_pt)
        self.photon_muon_distance = threshold("photon_muon_distance", photon_muon_distance)
        self.isolation = threshold("isolation", isolation)
        self._check_spectrum()

    def _check_spectrum(self) -> None:
        """Refuse a model whose Delta_4 was of other masses."""
        for name, model in self.models.items():
            trained = json.loads(model.metadata.get("massgap.run_options", "{}")).get("spectrum")
            uses = {"delta4_pm", "delta4_mp"} & set(model.features)
            if trained and uses and tuple(trained) != self.spectrum:
                shown = ",".join(f"{mass:g}" for mass in trained)
                own = ",".join(f"{mass:g}" for mass in self.spectrum)
                msg = (
                    f"the model of the score {name!r} was trained with Delta_4 of the spectrum {shown}, and this run has {own}: run "
                    f"with --spectrum {shown}"
                )
                raise ProcessorError(msg)

    def select(self, event: Event, flow: Flow) -> None:
        """Section IV.A, then the observables of sections II and V."""
        muons = select_muons(event.muons, pt=10.0, eta=2.5, isolation=self.isolation)
        event = event.with_(muons=muons)
        event = flow.keep(event, "two opposite-sign muons", opposite_sign_pair(event.muons))
        photons = select_photons(event.photons, pt=4.0, eta=2.5, isolation=self.isolation)
        event = event.with_(photons=photons.away_from(event.muons, self.photon_muon_distance))
        event = flow.keep(event, "a photon", event.photons.counts > 0)

        plus, minus, photon = self._three(event)
        inside = passes_acceptance(plus.eta, minus.eta, photon.eta, photon.pt)
        trigger = passes_dimuon_trigger(plus.pt, minus.pt)
        trigger |= passes_dimuon_photon_trigger(plus.pt, minus.pt, photon.pt)
        event = flow.keep(event, "trigger", inside & trigger)
        x = cascade_features(*self._three(event), self.spectrum)
        event = flow.keep(event, "15 < m_mumu < 65", passes_dimuon_mass(x["m_mumu"]))

        jets = select_jets(event.jets, pt=self.veto_jet_pt, eta=4.5).away_from(event.muons, 0.4)
        jets = jets.away_from(event.photons, 0.4)
        event = flow.keep(event, f"no jet above {self.veto_jet_pt:g}", jets.counts == 0)
        three = self._three(event)
        flow.record(event, {**cascade_features(*three, self.spectrum), **directions(*three)})

    @staticmethod
    def _three(event: Event) -> tuple[Any, Any, Any]:
        """The positive muon, the negative muon, and the hardest photon."""
        plus = event.muons.filter(lambda charge: charge > 0, "charge")
        minus = event.muons.filter(lambda charge: charge < 0, "charge")
        return plus.at(0), minus.at(0), event.photons.at(0)
