"""Matching of multi-jet samples to the shower (MLM, kT scheme of MadGraph).

A file with 0, 1, ... jets describes the same jets twice once it is showered: by the matrix element with one jet more,
and by the shower. Matching keeps an event if the jets after the shower are the partons of the matrix element, and the
highest multiplicity may have softer jets in addition. Sources: 0706.2569, 0810.5350; Pythia's JetMatching page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.samples.errors import LheError
from massgap.samples.extra import require
from massgap.samples.lhe.merging import NAMES

if TYPE_CHECKING:
    from massgap.samples.lhe.file import LheFile


def default_qcut(xqcut: float) -> float:
    """Matching scale in GeV for a cut on the matrix element.

    It must lie above the cut, so that the matrix elements fill all of phase space above the scale in spite of the
    shower's recoil. 1.5 xqcut is what MadGraph itself gives Pythia when its card leaves qCut open; at least 5 GeV
    more than xqcut keep a low cut from being too near. Compare with other scales before trusting a distribution.
    """
    return max(1.5 * xqcut, xqcut + 5.0)


def mlm_settings(lhe: LheFile, qcut: float | None = None, n_jet_max: int | None = None) -> list[str]:
    """Pythia settings for the matching of a file.

    Parameters
    ----------
    lhe : LheFile
        The file.
    qcut : float, optional
        Matching scale in GeV; by default from the file's own cut, see :func:`default_qcut`.
    n_jet_max : int, optional
        Largest number of light partons in the matrix elements; by default the largest one seen.

    Returns
    -------
    list of str
        Settings. ``setMad`` is off: blocks do not carry the run card, and the values here win.

    Raises
    ------
    LheError
        If the sample cannot be matched in this way, or a number makes no sense.
    """
    header = lhe.header
    if header.matching not in ("", "mlm"):
        raise LheError(unsupported(lhe))
    cut = header.xqcut
    if qcut is None:
        if not cut > 0:
            msg = f"{lhe.path} does not tell its matching cut (xqcut in the run card): give qcut (--qcut)"
            raise LheError(msg)
        qcut = default_qcut(cut)
    if not 0 < qcut < 500 * lhe.sqrt_s_tev:
        msg = f"qcut = {qcut:g} GeV is no matching scale: give one in GeV above the cut of the matrix elements (--qcut)"
        raise LheError(msg)
    if qcut < cut:
        msg = f"qcut = {qcut:g} GeV lies below the cut of the matrix elements, xqcut = {cut:g} GeV: raise qcut (--qcut)"
        raise LheError(msg)
    jets = lhe.max_light_jets if n_jet_max is None else n_jet_max
    if jets < lhe.max_light_jets:
        msg = f"n_jet_max = {jets}, but {lhe.path} has events with {lhe.max_light_jets} light partons: raise n_jet_max"
        raise LheError(msg)
    return [
        "JetMatching:merge = on",
        "JetMatching:scheme = 1",
        "JetMatching:setMad = off",
        f"JetMatching:qCut = {qcut:g}",
        f"JetMatching:nQmatch = {header.max_jet_flavour}",
        f"JetMatching:nJetMax = {jets}",
        f"JetMatching:clFact = {header.run_card.get('alpsfact', '1.0') or '1.0'}",
        "JetMatching:coneRadius = 1.0",
        "JetMatching:etaJetMax = 10.",
        "JetMatching:jetAlgorithm = 2",
        "JetMatching:slowJetPower = 1",
        "JetMatching:exclusive = 2",
    ]


def unsupported(lhe: LheFile) -> str:
    """Why a sample that is made for another scheme than MLM is refused, and what can be done."""
    header = lhe.header
    jets = sorted(lhe.events_per_jets)
    msg = (
        f"{lhe.path} is made for {NAMES[header.matching]} ({header.matching_told_by}), which massgap does not do: showered as "
        "it is, or matched in another way, it would count jets twice. Make it again for MLM matching (ickkw = 1 and xqcut "
        "in the run card of MadGraph)"
    )
    if len(jets) == 1:
        return (
            f"{msg}; or, as all its events have {jets[0]} light partons, shower it alone with --matching none"
        )
    return f"{msg}, or as one file for each number of jets (here {', '.join(map(str, jets))}) and use one of them with --matching none"


def make_matching_hook() -> Any:
    """Make the hook that refuses events without a match; keep it alive as long as the Pythia object.

    The counter (:class:`massgap.samples.pythia.shower_settings.EventCounter`) comes first, then filters of the hard process,
    then this.
    """
    return require().JetMatchingMadgraph()
