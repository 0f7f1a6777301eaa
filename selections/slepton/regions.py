"""Selections and control regions beside the pre-cuts: the paper's variants, and what constrains its two hard backgrounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.arrays.elementwise import comparable
from massgap.contracts.description import Cut, Region
from massgap.selections.slepton.precuts import PRECUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONTROLS", "EARLIER", "SELECTIONS", "further_regions", "passes_wide_angle"]

SELECTIONS = ("low_mt2", "earlier")
CONTROLS = ("tt", "WW", "emu")

EARLIER = tuple(PRECUTS[name] for name in ("z_window", "m_tautau", "met_125"))
"""What is known of the earlier, cut-based study's cuts; its seven secondary cuts are not in the paper."""


def passes_wide_angle(cos_theta_star: Any, minimum: float = 0.5) -> Any:
    """Whether |cos theta*| is at least the minimum: the angles that the pre-cut leaves out, where W pairs are.

    Parameters
    ----------
    cos_theta_star
        cos theta* of the leptons, signed or not.
    minimum
        This value itself passes.

    Returns
    -------
    bool or array of bool
        False where cos theta* is undefined.

    Examples
    --------
    >>> passes_wide_angle([-0.6, 0.5, 0.4]).tolist()
    [True, True, False]
    """
    return abs(comparable(cos_theta_star)) >= minimum


WIDE_ANGLE = Cut("wide_angle", "cos_theta_star", passes_wide_angle, (0.5,))


def further_regions(
    selections: Sequence[str], controls: Sequence[str], precuts: tuple[Cut, ...]
) -> tuple[Region, ...]:
    """Regions beside ``topology`` and ``precuts``.

    Parameters
    ----------
    selections
        Some of `SELECTIONS`: ``low_mt2`` adds M_T2^100 < 130 to the pre-cuts (Table III's second selection), ``earlier`` is
        `EARLIER` on the topology (its third, as far as it is known).
    controls
        Some of `CONTROLS`: ``cr_tt`` has the pre-cuts with a b jet, a channel of its own; ``cr_WW`` has them with the cut on
        cos theta* inverted; ``cr_emu`` has all of them with an electron and a muon in place of the two muons, a channel of its
        own: tops, W and tau pairs are there what they are in the signal region, and sleptons are not.
    precuts
        The pre-cuts.

    Returns
    -------
    tuple of Region
    """
    out = []
    if "low_mt2" in selections:
        out.append(Region("low_mt2", "Pre-cuts, low M_T2", within="precuts", cuts=(PRECUTS["mt2_100"],)))
    if "earlier" in selections:
        out.append(Region("earlier", "Cuts of the earlier study", within="topology", cuts=EARLIER))
    if "WW" in controls:
        cuts = (*(cut for cut in precuts if cut.name != "cos_theta_star"), WIDE_ANGLE)
        apart = tuple(name for name in ("precuts", "low_mt2") if name == "precuts" or name in selections)
        out.append(Region("cr_WW", "Control of WW", within="topology", cuts=cuts, disjoint=apart))
    if "tt" in controls:
        out += [
            Region("topology_b", "Topology, a b jet", channel="mumu1b"),
            Region("cr_tt", "Control of tops", channel="mumu1b", within="topology_b", cuts=precuts),
        ]
    if "emu" in controls:
        out += [
            Region("topology_emu", "Topology, an electron and a muon", channel="emu1j"),
            Region(
                "cr_emu",
                "Control with an electron and a muon",
                channel="emu1j",
                within="topology_emu",
                cuts=precuts,
            ),
        ]
    return tuple(out)
