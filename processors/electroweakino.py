"""Electroweakinos with small mass gaps in vector boson fusion: two jets far apart, MET, one to three soft leptons.

The analysis of U. S. Qureshi, A. Gurrola and A. Florez, "Probing Compressed Mass Spectrum Supersymmetry at the LHC with the
Vector Boson Fusion Topology" (the vbf-electroweakino paper): Table I for the selection, section V for the 10, 12 and 14
observables of the three channels, section IV for the classifiers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.arrays.jagged.collection import Collection
from massgap.contracts.description import Region, Score
from massgap.models.folds import fold_key
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.options import names, threshold
from massgap.processors.errors import ProcessorError
from massgap.selections.electroweakino.features import FEATURES, FEATURES_OF_CHANNEL, electroweakino_features
from massgap.selections.electroweakino.lepton_identification import identified_leptons
from massgap.selections.electroweakino.processes import PROCESSES
from massgap.selections.objects.definitions import select_electrons, select_jets, select_muons
from massgap.selections.objects.tau_veto import taus_of_veto
from massgap.selections.observables.vbf_pair import JetPairCuts, vbf_pair

if TYPE_CHECKING:
    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Electroweakino"]

CHANNELS = {"1l": 1, "2l": 2, "3l": 3}
IDENTIFICATIONS = ("sample", "pileup140")


class Electroweakino(Analysis):
    """The search for electroweakinos in vector boson fusion as a coffea processor.

    Three channels that share no event, with exactly one, two or three electrons and muons, each with its own observables,
    cutflow and classifier.  All limits are strict; Table I has "at most" in places where the text has "below", which is taken.

    Parameters
    ----------
    model
        Channel -> path of its ONNX model: ``--model 1l=FILE --model 2l=FILE --model 3l=FILE``.
    without
        Names of steps to switch off: ``no_b_jet``, ``no_tau``.
    lepton_pt, jet_pt, m_jj, deta_jj
        Thresholds of Table I: leptons and jets in GeV, mass of the two jets in GeV, their distance in eta.
    identification
        "sample": leptons as the sample has them (the detector card hl-lhc identifies them as the paper does); "pileup140": each
        is kept with the paper's efficiency for 140 pile-up interactions, for samples of a better detector.
    met, variations, features, taggers, collections
        See :class:`massgap.processors.base.analysis.Analysis`.

    Raises
    ------
    ProcessorError
        If a step or an identification is unknown.
    massgap.models.errors.ModelError
        If a model does not fit the observables of its channel.

    Examples
    --------
    >>> [len(score.features) for score in Electroweakino.scores]
    [10, 12, 14]
    """

    name = "electroweakino"
    title = "Electroweakinos in vector boson fusion: two jets, missing momentum, one to three leptons"
    source = (
        "U. S. Qureshi, A. Gurrola and A. Florez, Probing Compressed Mass Spectrum Supersymmetry at the LHC with the "
        "Vector Boson Fusion Topology"
    )
    observables = FEATURES
    regions = tuple(Region(name, f"{n} lepton{'s' * (n > 1)}", channel=name) for name, n in CHANNELS.items())
    scores = tuple(
        Score(name, f"Score, {region.label}", (name,), tuple(feature.name for feature in features))
        for region, (name, features) in zip(regions, FEATURES_OF_CHANNEL.items(), strict=True)
    )
    processes = PROCESSES
    luminosity = 3000.0
    STEPS = ("no_b_jet", "no_tau")

    def __init__(
        self,
        model: Any = None,
        *,
        without: tuple[str, ...] | list[str] | str = (),
        lepton_pt: float = 5.0,
        jet_pt: float = 30.0,
        m_jj: float = 200.0,
        deta_jj: float = 2.5,
        identification: str = "sample",
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self.without = tuple(sorted(names("without", without, self.STEPS)))
        self.lepton_pt = threshold("lepton_pt", lepton_pt)
        self.jet_pt = threshold("jet_pt", jet_pt)
        self.m_jj = threshold("m_jj", m_jj)
        self.deta_jj = threshold("deta_jj", deta_jj)
        if identification not in IDENTIFICATIONS:
            msg = (
                f"identification={identification!r} (--identification) is unknown; leptons are identified as "
                f"{' or '.join(IDENTIFICATIONS)}"
            )
            raise ProcessorError(msg)
        self.identification = identification

    def select(self, event: Event, flow: Flow) -> None:
        """Table I, then each channel with its observables."""
        event = event.with_(leptons=self._leptons(event))
        n_leptons = event.leptons.counts
        event = flow.keep(event, "one to three leptons", (n_leptons >= 1) & (n_leptons <= 3))

        # Softer jets take part in the largest mass of two jets, an observable.
        jets = select_jets(event.jets, pt=min(20.0, self.jet_pt), eta=5.0).away_from(event.leptons, 0.4)
        event = event.with_(jets=jets)
        hard = event.jets.filter(lambda pt: pt > self.jet_pt, "pt")
        event = flow.keep(event, "two jets", hard.counts >= 2)
        cuts = JetPairCuts(pt=self.jet_pt, abs_deta=self.deta_jj, mass=self.m_jj)
        event = flow.keep(
            event, "two jets of vector boson fusion", vbf_pair(event.jets, cuts).n_candidates > 0
        )
        if "no_b_jet" not in self.without:
            jets = event.jets
            b_jets = (jets.pt > 30) & (abs(jets.eta) < 2.5) & jets.b_tagged
            event = flow.keep(event, "no b jet", ~jets.any(b_jets))
        if "no_tau" not in self.without:
            taus = taus_of_veto(event, event.leptons, analysis=type(self).__name__)
            event = flow.keep(event, "no hadronic tau", taus.counts == 0)

        n_leptons = event.leptons.counts
        for name, n in CHANNELS.items():
            channel = flow.channel(name)
            chosen = channel.keep(event, f"exactly {n} lepton{'s' * (n > 1)}", n_leptons == n)
            x = electroweakino_features(
                chosen.jets, chosen.leptons, chosen.met, jet_pt=self.jet_pt, lepton_pt=self.lepton_pt
            )
            channel.record(chosen, {feature.name: x[feature.name] for feature in FEATURES_OF_CHANNEL[name]})

    def _leptons(self, event: Event) -> Collection:
        """Electrons and muons together, isolated as in the CMS card of Delphes."""
        leptons = Collection.merged(
            {
                13: select_muons(event.muons, pt=self.lepton_pt, eta=2.4),
                11: select_electrons(event.electrons, pt=self.lepton_pt, eta=2.4),
            }
        )
        if self.identification == "sample":
            return leptons
        return identified_leptons(leptons, fold_key(*event.identifiers.T))
