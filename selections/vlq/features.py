"""Reconstruction of T -> t Z -> lepton neutrino b, lepton lepton, feature by feature and cut by cut.

Mass-unspecific paper, "Preselection cuts", "Reconstruction", "Discriminating variables".  The decay products
of the boosted top quark are one fat jet J with the third lepton l3 inside, and the neutrino.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import same_events
from massgap.arrays.jagged.per_event import PerEvent
from massgap.contracts.description import Feature
from massgap.selections.vlq.objects import passes_lepton_cuts, selected_leptons, slim_jets_away_from
from massgap.selections.vlq.reconstruction import Masses, reconstruct

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.kernels.selecting import Index

__all__ = [
    "CUTFLOW",
    "FEATURES",
    "FEATURE_NAMES",
    "QUANTITIES",
    "Masses",
    "VlqEvents",
    "vlq_features",
]

# fmt: off
FEATURES: tuple[Feature, ...] = (
    Feature("m_t_prime", r"$m_{T}^{rec}$", "GeV", 0, 8000, 80, "Reconstructed mass of the T quark"),
    Feature("pt_z_l1", r"$p_{T}^{l_1}$", "GeV", 0, 3000, 60, "Transverse momentum of the leading lepton of the Z"),
    Feature("pt_z_l2", r"$p_{T}^{l_2}$", "GeV", 0, 1500, 60, "Transverse momentum of the second lepton of the Z"),
    Feature("m_top", r"$m_{t}^{rec}$", "GeV", 0, 500, 50, "Reconstructed mass of the top quark"),
    Feature("dphi_z_l3", r"$|\Delta\phi(Z, l_3)|$", "rad", 0, math.pi, 32, "Azimuth between the Z and the third lepton"),
    Feature("n_forward", r"$N_{fwd}$", "", 0, 8, 8, "Number of slim jets with 2.5 <= |eta| < 5"),
)
# fmt: on
"""The discriminating variables of the mass-unspecific paper."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

QUANTITIES = (
    *FEATURE_NAMES,
    "m_z",
    "pt_z",
    "discriminant",
    "complex_roots",
    "nu_pz",
    "nu_pz1",
    "nu_pz2",
    "dr_z_j",
    "n_slim",
)
"""All numbers of the reconstruction, the features first."""

CUTFLOW = ("leptons", "pt_z", "fat_jet_away", "fat_jet", "slim_jet", "dr_z_j")
"""The preselection: cuts 1 and 2, cut 3 in two steps (away from the Z leptons; with the third lepton inside),
cuts 4 and 5.  These are the six columns of the paper's table of efficiencies."""


class VlqEvents(NamedTuple):
    """Reconstruction of each event, as dicts of arrays.

    ``quantities`` by :data:`QUANTITIES`, NaN where ingredients are missing; ``indices`` of the Z leptons
    (z_i < z_j), of l3 among the given leptons and of J among the fat jets, -1 for missing ones; ``cutflow`` by
    :data:`CUTFLOW`, true where the event passes the cut and all before.
    """

    quantities: dict[str, Floats]
    indices: dict[str, Index]
    cutflow: dict[str, npt.NDArray[np.bool_]]


def vlq_features(
    leptons: Any,
    fat_jets: Any,
    slim_jets: Any,
    met: Any,
    *,
    select_leptons: bool = True,
    rescale_met: bool = False,
    min_pt_beside_lepton: float = 0.0,
    masses: Masses = Masses(),  # noqa: B008 (an immutable tuple)
) -> VlqEvents:
    """Reconstruct T -> t Z, and evaluate the preselection cut by cut, each quantity once per event.

    The Z is the pair of opposite charge and same flavour nearest to the Z mass; l3 the leading remaining
    lepton; J the leading fat jet with pT > 80 GeV, |eta| < 2.5, l3 within 0.8 and the Z leptons not within
    0.8.  Of the two neutrinos the one with m(J + nu) nearest to the top mass is taken (in "(p_j + p_nu)^2" of
    the paper the jet is J), for complex roots the real part.  Slim jets have pT > 25 GeV, |eta| < 5 and no
    lepton within 0.4; forward ones |eta| >= 2.5.

    Parameters
    ----------
    leptons
        Electrons and muons of each event together, in any order, with the fields pt, eta, phi, mass (GeV,
        radians), charge, and flavour (any number that is the same for equal flavours, such as 11 and 13).
    fat_jets, slim_jets
        Jets with R = 0.8 and with R = 0.4, with the fields pt, eta, phi, mass; slim ones without those with a
        b tag, if "light" shall mean that.  All three are collections, or anything else that
        :meth:`massgap.arrays.Collection.of` takes.
    met
        Missing transverse momentum: one object per event, or anything else with flat arrays ``pt`` (GeV) and ``phi``
        (radians).
    select_leptons
        Only leptons with pT >= 25 GeV and |eta| < 2.5 take part (cut 1 of the paper), also in the cleaning of
        slim jets.  If false, all do, for leptons that have been selected before.
    rescale_met
        For complex neutrino roots, rescale MET until they are one real root, instead of the real part.
    min_pt_beside_lepton
        The fat jet must hold more than this (GeV) beside l3, with l3 within 0.8 of that; 0 asks for nothing.  Leptons are
        clustered, too, so that a hard lepton is a fat jet of its own.  The paper does not say so; its table of efficiencies
        tells that such jets are not counted.
    masses
        Masses of the Z, the W and the top quark, GeV.

    Returns
    -------
    VlqEvents
        Features and other quantities, indices, and the cuts.  Undefined are: everything of the Z without a
        candidate; of l3 without one, also the angle to a Z without transverse momentum; of the top and the T
        without l3 or J.  The numbers of slim and forward jets always exist.

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> def muon(pt, eta, phi, charge):
    ...     return {"pt": pt, "eta": eta, "phi": phi, "mass": 0.1057, "charge": charge, "flavour": 13}
    >>> def jet(pt, eta, phi, mass): return {"pt": pt, "eta": eta, "phi": phi, "mass": mass}
    >>> events = vlq_features(
    ...     [[muon(500.0, 0.2, 0.0, 1), muon(300.0, 0.2, 0.236, -1), muon(150.0, -0.1, 3.1, 1)]],
    ...     [[jet(500.0, 0.0, 3.1, 120.0)]], [[jet(80.0, 3.5, 1.0, 8.0)]], PerEvent({"pt": [250.0], "phi": [3.0]}))
    >>> [round(float(events.quantities[name][0]), 1) for name in ("m_z", "m_top", "m_t_prime")]
    [91.2, 185.5, 1568.1]
    >>> all(bool(passed[0]) for passed in events.cutflow.values())
    True
    """
    leptons, fat_jets = Collection.of(leptons, "leptons"), Collection.of(fat_jets, "fat jets")
    slim_jets, met = Collection.of(slim_jets, "slim jets"), PerEvent.of(met, ("pt", "phi"), "met")
    same_events(leptons=leptons, fat_jets=fat_jets, slim_jets=slim_jets, met=met)
    chosen = selected_leptons(leptons, everything=not select_leptons)
    slim = slim_jets_away_from(slim_jets, chosen)
    found = reconstruct(chosen, fat_jets, met, masses, rescale_met, min_pt_beside_lepton)
    values = {
        **found.values,
        "n_forward": slim.count(abs(slim.eta) >= 2.5).astype(np.float64),
        "n_slim": slim.counts.astype(np.float64),
    }
    cuts = (
        passes_lepton_cuts(chosen),
        values["pt_z"] > 60.0,
        found.n_fat_jets_away > 0,
        found.indices["fat_jet"] >= 0,
        slim.counts > 0,
        values["dr_z_j"] >= 1.0,
    )
    passed = np.logical_and.accumulate(np.array(cuts), axis=0)
    return VlqEvents(
        {name: values[name] for name in QUANTITIES}, found.indices, dict(zip(CUTFLOW, passed, strict=True))
    )
