"""Which tagger, identification and MET is read where a file offers several."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["B_TAGGERS", "TAU_IDENTIFICATIONS", "TaggerOptions"]

B_TAGGERS: dict[str, float] = {
    "btagDeepFlavB": 0.2783,
    "btagPNetB": 0.245,
    "btagUParTAK4B": 0.1272,
    "btagDeepB": 0.4168,
    "btagCSVV2": 0.8484,
}
"""Medium working points of the CMS b taggers, in the order of preference (CMS BTV recommendations of
2016 to 2024; DeepFlavB and DeepB as for 2018 UL).  Pass your own with :class:`TaggerOptions`."""

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
    """Which tagger and MET to read where a format offers several.

    Attributes
    ----------
    b_tagger
        NanoAOD jet branch without ``Jet_``, or None for the first of :data:`B_TAGGERS` in the file.
    b_threshold
        Its threshold; None for the medium working point in :data:`B_TAGGERS`.
    met
        NanoAOD MET collection, or None for the first of MET, PFMET, PuppiMET in the file.
    muon_id
        NanoAOD muon identification without ``Muon_``, or None for mediumId (tightId, looseId where a
        file has no mediumId).  Some open-data samples store mediumId as false throughout: use isPFcand there.
    b_tag_bit
        Bit of ``Jet.BTag`` in Delphes.
    """

    b_tagger: str | None = None
    b_threshold: float | None = None
    met: str | None = None
    muon_id: str | None = None
    b_tag_bit: int = 0
