"""Events of two muons and a photon, made without a generator's record, as the content of NanoAOD events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.physical_constants import MUON_MASS
from massgap.samples.nanoaod.content import empty_content

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["dimuon_photon_content"]


def dimuon_photon_content(
    seen: Mapping[str, np.ndarray], luminosity_block: int, first_event: int
) -> dict[str, Any]:
    """Events as NanoAOD: two muons and a photon, all of them identified and isolated, and what balances them.

    Parameters
    ----------
    seen
        ``pt``, ``eta``, ``phi`` of shape (3, n): positive muon, negative muon, photon; ``weight`` of shape (n,).  GeV, radians.
    luminosity_block, first_event
        Numbering; events count up from ``first_event``.

    Returns
    -------
    dict
        For :class:`massgap.samples.nanoaod.writer.NanoWriter`.
    """
    n = len(seen["weight"])
    content = empty_content(n, luminosity_block, first_event)
    order = np.argsort(-seen["pt"][:2], axis=0, kind="stable")

    def of_muons(rows: np.ndarray) -> np.ndarray:
        return np.take_along_axis(rows[:2], order, axis=0).T.reshape(-1)

    charge = np.where(order == 0, 1, -1).T.reshape(-1)
    ones, none = np.ones(2 * n, bool), np.full(2 * n, -1)
    content["Muon"] |= {
        "_counts": np.full(n, 2),
        **{name: of_muons(seen[name]) for name in ("pt", "eta", "phi")},
        "mass": np.full(2 * n, MUON_MASS),
        "charge": charge,
        "pdgId": -13 * charge,
        **dict.fromkeys(("dxy", "dz", "pfRelIso03_all", "pfRelIso04_all"), np.zeros(2 * n)),
        **dict.fromkeys(("genPartIdx", "jetIdx", "fsrPhotonIdx"), none),
        "genPartFlav": np.ones(2 * n),
        **dict.fromkeys(("looseId", "mediumId", "tightId", "isPFcand", "isGlobal", "isTracker"), ones),
        "pfIsoId": np.full(2 * n, 6),
    }
    content["Photon"] |= {
        "_counts": np.ones(n, np.int64),
        **{name: seen[name][2] for name in ("pt", "eta", "phi")},
        **dict.fromkeys(("genPartIdx", "jetIdx", "electronIdx"), none[:n]),
        "genPartFlav": np.ones(n),
        "pfRelIso03_all": np.zeros(n),
        "cutBased": np.full(n, 3),
        **dict.fromkeys(("mvaID_WP80", "mvaID_WP90", "electronVeto"), ones[:n]),
        "pixelSeed": ~ones[:n],
    }
    x, y = ((seen["pt"] * wave(seen["phi"])).sum(axis=0) for wave in (np.cos, np.sin))
    content |= {
        "MET_pt": np.hypot(x, y),
        "MET_phi": np.arctan2(-y, -x),
        "MET_sumEt": seen["pt"].sum(axis=0),
        "genWeight": seen["weight"],
        "Generator_weight": seen["weight"],
    }
    return content
