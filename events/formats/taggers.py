"""Which tagger, identification, MET and collection is read where a file offers several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "ATLAS_B_TAGGERS",
    "B_TAGGERS",
    "TAU_IDENTIFICATIONS",
    "AtlasBTagger",
    "TaggerOptions",
]

B_TAGGERS: dict[str, float] = {
    "btagDeepFlavB": 0.2783,
    "btagPNetB": 0.245,
    "btagUParTAK4B": 0.1272,
    "btagDeepB": 0.4168,
    "btagCSVV2": 0.8484,
}
"""Medium working points of the CMS b taggers, in the order of preference (CMS BTV recommendations of
2016 to 2024; DeepFlavB and DeepB as for 2018 UL).  Pass your own with :class:`TaggerOptions`."""


class AtlasBTagger(NamedTuple):
    """A b tagger of ATLAS: D = ln(p_b / (f_c p_c + f_tau p_tau + (1 - f_c - f_tau) p_u)), tagged above a threshold.

    Attributes
    ----------
    charm, tau
        f_c and f_tau.
    threshold
        Of D; None where no public source gives one.
    """

    charm: float
    tau: float
    threshold: float | None


ATLAS_B_TAGGERS: dict[str, AtlasBTagger] = {
    "DL1dv01": AtlasBTagger(0.018, 0.0, 2.456),
}
"""The working point with an efficiency of 77 % for b jets of simulated tt, as in the Analysis Grand Challenge on ATLAS Open
Data (iris-hep/agc-physlite, which takes both numbers from ATLAS' recommendations for release 22).  ATLAS publishes no
thresholds of GN2: with ``b_tagger="GN2v01"`` give ``b_threshold``, ``b_charm_fraction`` and ``b_tau_fraction``."""

TAU_IDENTIFICATIONS = (
    "idDeepTau2018v2p5VSjet",
    "idDeepTau2017v2p1VSjet",
    "idMVAoldDM2017v2",
    "idMVAoldDM",
    "idMVAnewDM",
)
"""NanoAOD tau discriminators without ``Tau_``, in the order of preference."""


@dataclass(frozen=True)
class TaggerOptions:
    """Which tagger, identification, MET and collection to read where a file offers several.

    Attributes
    ----------
    b_tagger
        NanoAOD: jet branch without ``Jet_``, or None for the first of :data:`B_TAGGERS` in the file.  PHYSLITE: tagger such
        as DL1dv01 or GN2v01, or None for the first of :data:`ATLAS_B_TAGGERS` in the file.
    b_threshold
        Its threshold; None for the working point in these tables.
    b_charm_fraction, b_tau_fraction
        f_c and f_tau of an ATLAS tagger that is not in :data:`ATLAS_B_TAGGERS`.
    met
        NanoAOD MET collection, or None for the first of MET, PFMET, PuppiMET in the file.
    muon_id
        NanoAOD: identification without ``Muon_``, or None for mediumId (tightId, looseId where a
        file has no mediumId).  Some open-data samples store mediumId as false throughout: use isPFcand there.
        PHYSLITE: Tight, Medium (None), Loose or VeryLoose.
    electron_id, photon_id, tau_id
        Field with one yes or no for each object, such as mvaNoIso_WP90 or DFCommonElectronsLHTight, or None for the default
        of the format.
    b_tag_bit
        Bit of ``Jet.BTag`` in Delphes.
    collections
        Pairs of a collection and what it is read from, as the file calls it: (("jets", "JetPUPPI"),).
    """

    b_tagger: str | None = None
    b_threshold: float | None = None
    b_charm_fraction: float | None = None
    b_tau_fraction: float | None = None
    met: str | None = None
    muon_id: str | None = None
    electron_id: str | None = None
    photon_id: str | None = None
    tau_id: str | None = None
    b_tag_bit: int = 0
    collections: tuple[tuple[str, str], ...] = ()

    def source(self, collection: str, default: str) -> str:
        """What a collection is read from: what was chosen, else the default of the format.

        Examples
        --------
        >>> TaggerOptions(collections=(("jets", "JetPUPPI"),)).source("jets", "Jet")
        'JetPUPPI'
        """
        return dict(self.collections).get(collection, default)
