"""Right-handed smuons in two muons and missing momentum: two networks, trees, and seven jet vetoes.

The analysis of A. Cornell, B. Fuks, M. Goodsell and A. Ncube, "Improving smuon searches with Neural Networks" (the
smuon-nn paper): section II for objects, cuts (Table I) and the 37 observables (Table II), section III.E for the vetoes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.description import Cut, Region, Score
from massgap.events.errors import MissingBranchError
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.axes import Regular
from massgap.processors.base.histograms import HistogramSpec
from massgap.processors.base.options import names, threshold
from massgap.selections.objects.definitions import (
    select_electrons,
    select_muons,
    select_photons,
    select_taus,
    select_wide_jets,
)
from massgap.selections.observables.invariant_mass import invariant_mass
from massgap.selections.smuon.cuts import VETOES, opposite_charge, outside_of_z
from massgap.selections.smuon.features import FEATURES, HIGH_AND_DERIVED, LOW_LEVEL, smuon_features
from massgap.selections.smuon.processes import PROCESSES

if TYPE_CHECKING:
    from massgap.arrays.jagged.collection import Collection
    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Smuon"]

KEPT = "veto_c"
"""Region that the control of tops is the rest of: two thirds of tt pass veto (c), and nearly all of the signal."""


class Smuon(Analysis):
    """The smuon analysis as a coffea processor.

    Jets are those of R = 1.0, the collection ``wide_jets`` of generated samples and PHYSLITE.  Other files have none: say
    what takes their place, for instance ``collections="wide_jets=FatJet"`` (AK8 in CMS NanoAOD) or ``"wide_jets=Jet"``;
    the run keeps this choice among its options.

    Isolation is relative; the cones are those of the file (CMS: 0.4 for muons, as in the paper, 0.3 for others).

    Parameters
    ----------
    model
        Score -> path of its ONNX model: the networks ``low`` and ``high`` (smuons below and above 450 GeV), ``bdt``, and
        for all masses ``all``, ``lowlevel`` and ``derived``, by the features that they see.
    basic_met, mt2
        Minima of the missing momentum and of M_T2, GeV.
    isolation
        Maximum of the relative isolation of leptons and photons.
    jet_pt, static_jet_pt
        Minimum of the jets' pT, and the leading jet's maximum in the static veto, GeV.
    score_above
        The region of a score has the events above it.
    without
        Objects that the file lacks, and jets are not removed for: ``photons``, ``taus``.
    controls
        ``tt``: a control region of tops, with the events that veto (c) rejects; scores are then also filled for those that it
        keeps, so that a fit may take both.
    hadron_sum
        Also the vetoes (b) and (d) with all that is seen but the two muons in place of the jets' H_T: what the paper's numbers
        come near to.
    met, variations, features, taggers, collections
        See :class:`massgap.processors.base.analysis.Analysis`.

    Raises
    ------
    ProcessorError
        If an option has a value that it cannot have.
    massgap.models.errors.ModelError
        If a model does not fit the 37 observables.

    Examples
    --------
    >>> [region.name for region in Smuon().regions][:3]
    ['preselection', 'static_veto', 'veto_a']
    """

    name = "smuon"
    title = "Smuon pairs in two muons and missing momentum"
    source = (
        "A. Cornell, B. Fuks, M. Goodsell and A. Ncube, Improving smuon searches with Neural Networks, "
        "arXiv:2411.04526"
    )
    channel = "mumu"
    observables = FEATURES
    scores = tuple(
        Score(name, label, regions=("preselection",), features=features)
        for name, label, features in (
            ("low", "Low network", ()),
            ("high", "High network", ()),
            ("bdt", "BDT", ()),
            ("all", "Network of all features", ()),
            ("lowlevel", "Network of low-level features", LOW_LEVEL),
            ("derived", "Network of high-level and derived features", HIGH_AND_DERIVED),
        )
    )
    processes = PROCESSES
    luminosity = 139.0

    def __init__(
        self,
        model: Any = None,
        *,
        basic_met: float = 100.0,
        mt2: float = 90.0,
        isolation: float = 0.2,
        jet_pt: float = 15.0,
        static_jet_pt: float = 25.0,
        score_above: float = 0.7,
        without: tuple[str, ...] | list[str] | str = (),
        controls: tuple[str, ...] | list[str] | str = (),
        hadron_sum: bool = False,
        **options: Any,
    ) -> None:
        self.controls = tuple(sorted(names("controls", controls, ("tt",))))
        if self.controls:
            self.scores = tuple(replace(s, regions=(*s.regions, KEPT)) for s in type(self).scores)
        super().__init__(model, **options)
        self.basic_met = threshold("basic_met", basic_met)
        self.mt2 = threshold("mt2", mt2)
        self.isolation = threshold("isolation", isolation)
        self.jet_pt = threshold("jet_pt", jet_pt)
        self.static_jet_pt = threshold("static_jet_pt", static_jet_pt)
        self.score_above = threshold("score_above", score_above)
        self.without = tuple(sorted(names("without", without, ("photons", "taus"))))
        self.hadron_sum = hadron_sum
        by_score = [
            Region(score.name, score.label, within="preselection", cuts=(self._above(score),))
            for score in self.scores
            if score.name in self.models
        ]
        self.regions = (
            Region("preselection", "After M_T2"),
            Region("static_veto", "Static jet veto", within="preselection"),
            *(Region(f"veto_{v}", f"Jet veto ({v})", within="preselection") for v in VETOES[1:]),
            *(
                Region(f"veto_{v}_sum", f"Jet veto ({v}), all hadrons", within="preselection")
                for v in ("bd" if hadron_sum else "")
            ),
            *by_score,
            *(
                Region("cr_tt", "Control of tops", within="preselection", disjoint=(KEPT,))
                for _ in self.controls
            ),
        )

    def histograms(self) -> tuple[HistogramSpec, ...]:
        """Observables after M_T2 and in the networks' regions; in all regions MET, which counts their events."""
        shown = tuple(r.name for r in self.regions if r.name in ("preselection", "low", "high"))
        return tuple(
            HistogramSpec(
                f.name,
                Regular(f.bins, f.low, f.high, name=f.name, label=f.axis_label),
                regions=() if f.name == "met" else shown,
            )
            for f in self.observables
        )

    def _above(self, score: Score) -> Cut:
        least = self.score_above
        return Cut(f"{score.column} > {least:g}", score.column, lambda values: values > least, (least,))

    def select(self, event: Event, flow: Flow) -> None:
        """Table I in its order, each object as late as it is needed; then Table II, the vetoes and the scores."""
        event = flow.keep(event, f"MET > {self.basic_met:g}", event.met.pt > self.basic_met)
        event = event.with_(muons=select_muons(event.muons, pt=7.0, eta=2.5, isolation=self.isolation))
        event = flow.keep(event, "two muons", event.muons.counts >= 2)
        mu1, mu2 = event.muons.at(0), event.muons.at(1)
        event = flow.keep(event, "opposite charge", opposite_charge(mu1.charge, mu2.charge))
        mu1, mu2 = event.muons.at(0), event.muons.at(1)
        pair = (value for mu in (mu1, mu2) for value in mu.columns("pt", "eta", "phi", "mass"))
        event = flow.keep(event, "m_mumu", outside_of_z(invariant_mass(*pair)))

        jets, electrons = self._without_overlap(event)
        found = smuon_features(electrons, event.muons, jets, event.met)
        heavy = found.features["m_t2"] > self.mt2
        event = flow.keep(event, f"M_T2 > {self.mt2:g}", heavy)
        x = {name: values[heavy] for name, values in found.features.items()}

        hard_muons = (x["pt_mu1"] > 50.0) & (x["pt_mu2"] > 20.0)
        flow.count("muons above 50, 20", hard_muons)
        flow.region("static_veto", hard_muons & ~(x["pt_j1"] > self.static_jet_pt))
        for veto in VETOES[1:]:
            flow.region(f"veto_{veto}", found.vetoes[veto][heavy])
        if self.hadron_sum:
            hadrons = self._hadrons(event) - x["st"]
            flow.region("veto_b_sum", ~(hadrons > x["pt_mu1"]))
            flow.region("veto_d_sum", ~(hadrons > x["st"]))
        if self.controls:
            flow.region("cr_tt", ~found.vetoes["c"][heavy])
        flow.record(event, x)

    def _hadrons(self, event: Event) -> Any:
        """Scalar sum of all that is seen, GeV."""
        branch = "MET_sumEt"
        found = event.number(*branch.split("_"))
        if found is None:
            remedy = "Generated samples and CMS NanoAOD have it; leave out --hadron-sum, or Smuon(hadron_sum=True)."
            raise MissingBranchError(branch, event.columns.where, remedy)
        return np.asarray(found)

    def _without_overlap(self, event: Event) -> tuple[Collection, Collection]:
        """Jets and electrons that are left of each other, in the paper's order; what it does to photons after that is seen nowhere."""
        electrons = select_electrons(event.electrons, pt=7.0, eta=2.47, isolation=self.isolation)
        jets = select_wide_jets(event["wide_jets"], pt=self.jet_pt, eta=2.8)
        jets = jets.away_from(event.muons, 0.4)
        if "photons" not in self.without:
            photons = self._read("photons", event)
            jets = jets.away_from(select_photons(photons, pt=10.0, eta=2.37, isolation=self.isolation), 0.4)
        jets = jets.away_from(electrons, 0.2)
        if "taus" not in self.without:
            jets = jets.away_from(select_taus(self._read("taus", event), pt=20.0, eta=2.5), 0.2)
        return jets, electrons.away_from(jets, 0.4)

    def _read(self, collection: str, event: Event) -> Collection:
        try:
            found: Collection = event[collection]
            found.counts  # noqa: B018 (read now, so that what is missing is said here)
        except MissingBranchError as error:
            remedy = f"To leave them out: --without {collection}, or Smuon(without=['{collection}'])."
            raise MissingBranchError(error.branch, error.where, remedy) from error
        return found
