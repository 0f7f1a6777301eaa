"""The features of the vbf-electroweakino classifiers, 10 to 14 by channel, in one compiled pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.flat import as_flat, one_per_event, same_events
from massgap.contracts.description import Feature
from massgap.selections.objects.leading import leading_three_kernel
from massgap.selections.observables.vbf_pair import JET_FIELDS, JetPairCuts, any_pair, jet_pair_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.flat import Offsets

__all__ = ["FEATURES", "FEATURES_OF_CHANNEL", "FEATURE_NAMES", "electroweakino_features"]

# fmt: off
FEATURES: tuple[Feature, ...] = (
    Feature("pt_j1", r"$p_{T}^{j_1}$", "GeV", 0, 1000, 50, "Transverse momentum of the leading jet"),
    Feature("eta_j1", r"$\eta^{j_1}$", "", -5, 5, 50, "Pseudorapidity of the leading jet"),
    Feature("pt_j2", r"$p_{T}^{j_2}$", "GeV", 0, 500, 50, "Transverse momentum of the second jet"),
    Feature("eta_j2", r"$\eta^{j_2}$", "", -5, 5, 50, "Pseudorapidity of the second jet"),
    Feature("met", r"$E_{T}^{miss}$", "GeV", 0, 1600, 80, "Missing transverse momentum"),
    Feature("m_jj", r"$m_{jj}$", "GeV", 0, 8000, 80, "Largest invariant mass of two jets"),
    Feature("pt_jj", r"$p_{T}^{jj}$", "GeV", 0, 1600, 80, "Transverse momentum of the pair with the largest mass"),
    Feature("abs_deta_jj", r"$|\Delta\eta_{jj}|$", "", 0, 10, 50, "Distance in eta of the pair with the largest mass"),
    Feature("pt_l1", r"$p_{T}^{\ell_1}$", "GeV", 0, 200, 50, "Transverse momentum of the leading lepton"),
    Feature("eta_l1", r"$\eta^{\ell_1}$", "", -2.5, 2.5, 50, "Pseudorapidity of the leading lepton"),
    Feature("pt_l2", r"$p_{T}^{\ell_2}$", "GeV", 0, 100, 50, "Transverse momentum of the second lepton"),
    Feature("eta_l2", r"$\eta^{\ell_2}$", "", -2.5, 2.5, 50, "Pseudorapidity of the second lepton"),
    Feature("pt_l3", r"$p_{T}^{\ell_3}$", "GeV", 0, 50, 50, "Transverse momentum of the third lepton"),
    Feature("eta_l3", r"$\eta^{\ell_3}$", "", -2.5, 2.5, 50, "Pseudorapidity of the third lepton"),
)
# fmt: on
"""Section V of the vbf-electroweakino paper: momenta of jets and leptons, MET, and the dijet quantities."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

FEATURES_OF_CHANNEL: dict[str, tuple[Feature, ...]] = {
    "1l": FEATURES[:10],
    "2l": FEATURES[:12],
    "3l": FEATURES[:14],
}
"""The 10, 12 and 14 features of each channel: those of its leptons and all others."""


@compiled
def _loop(
    jets: Floats,
    jet_offsets: Offsets,
    leptons: Floats,
    lepton_offsets: Offsets,
    met: Floats,
    pair: JetPairCuts,
    out: Floats,
) -> None:
    for event in range(met.size):
        out[:, event] = math.nan
        start, stop = jet_offsets[event], jet_offsets[event + 1]
        leading = leading_three_kernel(jets, start, stop, 30.0, 5.0)
        for n in range(2):
            if leading[n] >= 0:
                out[2 * n, event], out[2 * n + 1, event] = jets[0, leading[n]], jets[1, leading[n]]
        _, _, m_jj, deta, pt_jj, _ = jet_pair_kernel(jets, start, stop, pair)
        out[4, event], out[5, event], out[6, event], out[7, event] = met[event], m_jj, pt_jj, deta
        leading = leading_three_kernel(leptons, lepton_offsets[event], lepton_offsets[event + 1], 5.0, 2.4)
        for n in range(3):
            if leading[n] >= 0:
                out[8 + 2 * n, event], out[9 + 2 * n, event] = leptons[0, leading[n]], leptons[1, leading[n]]


def electroweakino_features(jets: Any, leptons: Any, met: Any, pt_min: float = 20.0) -> dict[str, Floats]:
    """All features of the three channels, each computed once per event.

    The paper names the momenta of jets and light leptons, MET, and mass, pT and |deta| of the pair of jets
    with the largest mass; with pT and eta as momenta these are the 10, 12 and 14 numbers that it counts.

    Parameters
    ----------
    jets
        Jets of each event in any order, with the fields pt, eta, phi, mass (GeV, radians).  Leading jets are
        those with pT > 30 GeV and |eta| < 5.
    leptons
        Electrons and muons together, with the fields pt and eta; those with pT > 5 GeV and |eta| < 2.4 count.
        Both are awkward arrays of records, or anything else that
        :func:`massgap.arrays.flat.as_flat` takes.
    met
        Missing transverse momentum per event, GeV.
    pt_min
        For the pair with the largest mass, jets count above this transverse momentum, GeV.  It is not the pair
        of the preselection: see :mod:`massgap.selections.observables.vbf_pair`.

    Returns
    -------
    dict of str to numpy.ndarray
        The features in the order of :data:`FEATURES`; NaN for jets and leptons that do not exist, and for the
        pair with fewer than two jets.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> def jet(eta): return {"pt": 80.0, "eta": eta, "phi": eta, "mass": 10.0}
    >>> features = electroweakino_features([[jet(3.0), jet(-3.0)]], [[{"pt": 10.0, "eta": 0.3}]], [120.0])
    >>> round(float(features["m_jj"][0]), 2), float(features["pt_l1"][0]), float(features["pt_l2"][0])
    (1603.14, 10.0, nan)
    >>> [len(features) for features in FEATURES_OF_CHANNEL.values()]
    [10, 12, 14]
    """
    flat_jets = as_flat("jets", jets, JET_FIELDS)
    flat_leptons = as_flat("leptons", leptons, ("pt", "eta"))
    flat_met = one_per_event("met", met)
    n_events = same_events(
        jets=len(flat_jets.offsets) - 1, leptons=len(flat_leptons.offsets) - 1, met=len(flat_met)
    )
    out = np.empty((len(FEATURES), n_events))
    _loop(*flat_jets, *flat_leptons, flat_met, any_pair(pt_min, 5.0), out)
    return dict(zip(FEATURE_NAMES, out, strict=True))
