"""What the members of sets of parton densities make of each bin: one up and one down.

Symmetric eigenvectors, replicas by their standard deviation, and alpha_s as in PDF4LHC15 (1510.03865, section 6.2), asymmetric
eigenvectors as in J. Campbell, J. Huston, W. Stirling, Rept. Prog. Phys. 70 (2007) 89, hep-ph/0611148; all added in quadrature, at the
confidence level of the set (90 % for those of CTEQ).  Up is above and down below the nominal in every bin: how bins move together
within a set is not kept, a likelihood takes them as moving alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PDF_DOWN", "PDF_UP", "sides_of_members"]

Floats = npt.NDArray[np.float64]

PDF_UP, PDF_DOWN = "pdf_up", "pdf_down"


def sides_of_members(nominal: Floats, members: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Contents with all members' uncertainty up and down.

    Parameters
    ----------
    nominal
        Contents of the bins.
    members
        ``pdf/COMBINATION/NUMBER`` -> contents under it (see :mod:`massgap.events.pdf_members`).

    Returns
    -------
    up, down
        The nominal where there are no members.

    Examples
    --------
    >>> up, down = sides_of_members(np.array([10.0]), {"pdf/hessian/1": np.array([13.0]), "pdf/hessian/2": np.array([6.0])})
    >>> up.tolist(), down.tolist()
    ([15.0], [5.0])
    """
    kinds: dict[str, list[Floats]] = {}
    for name in sorted(members):
        kinds.setdefault(name.split("/")[1], []).append(members[name] - nominal)
    above, below = np.zeros(nominal.shape), np.zeros(nominal.shape)
    for kind, differences in kinds.items():
        up, down = _squares(kind, np.stack(differences))
        above += up
        below += down
    return nominal + np.sqrt(above), nominal - np.sqrt(below)


def _squares(kind: str, d: Floats) -> tuple[Floats, Floats]:
    """Squared shifts to both sides from the differences (members, bins) of one combination."""
    if kind == "envelope":
        return np.maximum(d.max(axis=0), 0.0) ** 2, np.minimum(d.min(axis=0), 0.0) ** 2
    if kind == "asymmetric":
        one, two = d[::2], d[1::2]
        up = np.maximum(np.maximum(one, two), 0.0)
        down = np.maximum(np.maximum(-one, -two), 0.0)
        return (up**2).sum(axis=0), (down**2).sum(axis=0)
    if kind == "replicas":
        both = d.var(axis=0, ddof=1) if len(d) > 1 else np.zeros(d.shape[1:])
    elif kind == "alphas":
        both = (0.5 * (d[-1] - d[0])) ** 2
    else:
        both = (d**2).sum(axis=0)
    return both, both
