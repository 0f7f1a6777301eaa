"""The topology of the slepton paper fused by hand into one compiled pass over flat arrays.

The same cuts as :class:`massgap.processors.slepton.Slepton` writes down in the language of massgap: the limit that it is
measured against, and an independent second form of it for a test.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.kernels.formulas import wrap_phi_kernel

__all__ = ["Cuts", "fused_topology"]


class Cuts(NamedTuple):
    """Thresholds of the topology: GeV, absolute pseudorapidity, relative isolation; all comparisons are strict.

    ``use_electrons``, ``use_b_jets``, ``use_taus`` and ``use_met`` switch the steps of these names on.
    """

    muon_pt: float = 10.0
    muon_eta: float = 2.5
    muon_isolation: float = 0.25
    electron_pt: float = 10.0
    electron_eta: float = 2.5
    electron_isolation: float = 0.15
    jet_pt: float = 20.0
    jet_eta: float = 4.5
    hard_jet_pt: float = 30.0
    central_eta: float = 2.5
    tau_pt: float = 20.0
    tau_eta: float = 2.5
    overlap: float = 0.4
    met: float = 30.0
    use_electrons: bool = True
    use_b_jets: bool = True
    use_taus: bool = True
    use_met: bool = True


@compiled
def near(eta_a: float, phi_a: float, eta_b: float, phi_b: float, delta_r: float) -> bool:
    """Whether two directions are closer than ``delta_r``."""
    # In double precision, whatever the arrays hold: differences of single precision numbers are rounded.
    deta = np.float64(eta_a) - np.float64(eta_b)
    if abs(deta) >= delta_r:
        return False
    dphi = wrap_phi_kernel(np.float64(phi_a) - np.float64(phi_b))
    return bool(deta * deta + dphi * dphi < delta_r * delta_r)


@compiled
def is_good_lepton(
    pt: float,
    eta: float,
    isolation: float,
    identified: bool,
    min_pt: float,
    max_eta: float,
    max_isolation: float,
) -> bool:
    """The requirements on a lepton."""
    return pt > min_pt and abs(eta) < max_eta and isolation < max_isolation and identified


@compiled
def is_good_jet(pt: float, eta: float, identified: bool, min_pt: float, max_eta: float) -> bool:
    """The requirements on a jet or a hadronic tau."""
    return pt > min_pt and abs(eta) < max_eta and identified


@compiled
def fused_topology(
    muons: Any,
    electrons: Any,
    jets: Any,
    taus: Any,
    met: Any,
    cuts: Any,
    reached: Any,
    indices: Any,
    ht: Any,
) -> int:
    """The cuts in the order of the cutflow, event by event; gives the number of events that pass.

    Arrays are taken apart once and stay in this function: handing them to another one for every event
    would cost more than the cuts.
    """
    mu, mu_pt, mu_eta, mu_phi, mu_isolation, mu_identified, mu_charge = muons
    el, el_pt, el_eta, el_phi, el_isolation, el_identified = electrons
    j, j_pt, j_eta, j_phi, j_identified, j_b_tagged = jets
    tau, tau_pt, tau_eta, tau_phi, tau_identified = taus
    passed = 0
    for i in range(reached.size):
        steps = 0
        reached[i] = 0

        # Exactly two good muons, of opposite charge.
        n, l1, l2 = 0, -1, -1
        for k in range(mu[i], mu[i + 1]):
            if is_good_lepton(
                mu_pt[k], mu_eta[k], mu_isolation[k], mu_identified[k],
                cuts.muon_pt, cuts.muon_eta, cuts.muon_isolation,
            ):  # fmt: skip
                n += 1
                l1, l2 = (k, l2) if n == 1 else (l1, k)
        if n != 2 or mu_charge[l1] + mu_charge[l2] != 0:
            continue
        if mu_pt[l2] > mu_pt[l1]:
            l1, l2 = l2, l1
        steps += 1

        # No electron; where electrons are allowed, jets that overlap with one are no jets.
        n = 0
        for k in range(el[i], el[i + 1]):
            n += is_good_lepton(
                el_pt[k], el_eta[k], el_isolation[k], el_identified[k],
                cuts.electron_pt, cuts.electron_eta, cuts.electron_isolation,
            )  # fmt: skip
        if cuts.use_electrons:
            if n > 0:
                reached[i] = steps
                continue
            steps += 1

        # Exactly one hard jet, which is central; no central b jet among all jets.
        hard, hard_are_central, has_b, leading, sum_pt = 0, True, False, -1, 0.0
        for k in range(j[i], j[i + 1]):
            if not is_good_jet(j_pt[k], j_eta[k], j_identified[k], cuts.jet_pt, cuts.jet_eta):
                continue
            eta, phi = j_eta[k], j_phi[k]
            overlaps = near(eta, phi, mu_eta[l1], mu_phi[l1], cuts.overlap)
            overlaps = overlaps or near(eta, phi, mu_eta[l2], mu_phi[l2], cuts.overlap)
            if n > 0:
                for e in range(el[i], el[i + 1]):
                    overlaps = overlaps or (
                        is_good_lepton(
                            el_pt[e], el_eta[e], el_isolation[e], el_identified[e],
                            cuts.electron_pt, cuts.electron_eta, cuts.electron_isolation,
                        )
                        and near(eta, phi, el_eta[e], el_phi[e], cuts.overlap)
                    )  # fmt: skip
            if overlaps:
                continue
            pt = np.float64(j_pt[k])
            sum_pt += pt
            central = abs(eta) < cuts.central_eta
            if pt > cuts.hard_jet_pt:
                hard += 1
                hard_are_central = hard_are_central and central
            has_b = has_b or (central and j_b_tagged[k])
            if leading < 0 or pt > j_pt[leading]:
                leading = k
        if hard != 1 or not hard_are_central:
            reached[i] = steps
            continue
        steps += 1
        if cuts.use_b_jets:
            if has_b:
                reached[i] = steps
                continue
            steps += 1

        # No hadronic tau away from the muons.
        if cuts.use_taus:
            n = 0
            for k in range(tau[i], tau[i + 1]):
                eta, phi = tau_eta[k], tau_phi[k]
                if (
                    is_good_jet(tau_pt[k], eta, tau_identified[k], cuts.tau_pt, cuts.tau_eta)
                    and not near(eta, phi, mu_eta[l1], mu_phi[l1], cuts.overlap)
                    and not near(eta, phi, mu_eta[l2], mu_phi[l2], cuts.overlap)
                ):
                    n += 1
            if n > 0:
                reached[i] = steps
                continue
            steps += 1

        if cuts.use_met:
            if not met[i] > cuts.met:
                reached[i] = steps
                continue
            steps += 1

        reached[i] = steps
        indices[0, passed], indices[1, passed], indices[2, passed], indices[3, passed] = i, l1, l2, leading
        ht[passed] = sum_pt
        passed += 1
    return passed
