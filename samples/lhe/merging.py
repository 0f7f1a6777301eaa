"""How a multi-jet sample was made to be combined with a shower, as far as its file tells.

Matrix elements with 0, 1, ... jets describe the same jets as the shower. Each scheme removes the double counting in its
own way, and what one scheme needs of the shower another must not have, so a sample is matched as it was made or not at
all. What the schemes are told by:

MLM
    ``ickkw = 1`` in MadGraph's run card (0706.2569).
CKKW-L, UMEPS
    Cuts of the matrix elements in the distance of that scheme, ``ktdurham`` or ``ptlund``, with ``ickkw = 0``
    (1109.4829, 1211.4827); ``ickkw = 2``; Pythia's own switches in the header (``Merging:doKTMerging = on``); Sherpa's
    ``CKKW`` in its process card.
FxFx, UNLOPS
    ``ickkw = 3`` and ``4`` in the run card of aMC@NLO (1209.6215, 1211.7278).
Any
    ``<mergeinfo>`` or ``<mergetype>`` in the init block (version 3 of the format, 1405.1067).

POWHEG's files, MiNLO's included, have one sample for all multiplicities that they describe and are matched by their
starting scale; see :func:`massgap.samples.pythia.shower_settings.lhe_settings`. Their ``bornsuppfact`` shows in weights
that vary, which are kept.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

__all__ = ["NAMES", "Merging", "find_merging", "real"]

#: What each kind is called in messages.
NAMES = {
    "mlm": "MLM matching",
    "ckkw": "CKKW-L merging",
    "umeps": "UMEPS merging",
    "fxfx": "FxFx merging of next-to-leading orders",
    "unlops": "UNLOPS merging of next-to-leading orders",
    "unknown": "merging",
}
_ICKKW = {1: "mlm", 2: "ckkw", 3: "fxfx", 4: "unlops"}
_SWITCH = re.compile(
    r"^[ \t]*(Merging:do(\w+))[ \t]*=[ \t]*(?:on|true|yes|1)\b", re.MULTILINE | re.IGNORECASE
)
_SHERPA = re.compile(r"^[ \t]*(CKKW\b:?[ \t]*[\w(.][^\n]*)", re.MULTILINE)
_ELEMENT = re.compile(r"<(merge(?:info|type)\b[^>]*?)[ \t]*/?>", re.IGNORECASE)


class Merging(NamedTuple):
    """How a sample was made to be combined with a shower.

    Attributes
    ----------
    kind : str
        A key of :data:`NAMES`; empty for a sample that is showered as it is.
    told_by : str
        What says so, such as ``ktdurham = 30 in the run card``.
    xqcut : float
        MadGraph's matching cut in GeV; 0 without one.
    notes : tuple of str
        Anything unusual.
    """

    kind: str = ""
    told_by: str = ""
    xqcut: float = 0.0
    notes: tuple[str, ...] = ()


def find_merging(card: dict[str, str], head: str, init: str) -> Merging:
    """What run card, header and init block say.

    Parameters
    ----------
    card : dict
        Entries of MadGraph's run card by name.
    head, init : str
        What stands before the init block, and in it.

    Examples
    --------
    >>> find_merging({"ickkw": "0", "xqcut": "10", "ktdurham": "30"}, "", "").told_by
    'ktdurham = 30 in the run card'
    """
    xqcut = max(real(card.get("xqcut", "")), 0.0)
    ickkw = round(real(card.get("ickkw", "")))
    if ickkw:
        told = f"ickkw = {ickkw} in the run card"
        kind = _ICKKW.get(ickkw, "unknown")
        notes: tuple[str, ...] = ()
        if kind == "mlm" and not xqcut > 0:
            notes = (
                "the run card asks for matching (ickkw) without a cut (xqcut): matching needs a qcut of yours",
            )
        return Merging(kind, told, xqcut, notes)
    for name in ("ktdurham", "ptlund"):
        if (cut := real(card.get(name, ""))) > 0:
            return Merging("ckkw", f"{name} = {cut:g} in the run card", xqcut)
    if found := _SWITCH.search(head):
        name = found.group(2).lower()
        kind = next((kind for kind in ("umeps", "unlops") if kind in name), "ckkw")
        return Merging(kind, f"{found.group(1)} in the header", xqcut)
    if found := _SHERPA.search(head):
        return Merging("ckkw", f"{found.group(1).strip()[:60]} in the header", xqcut)
    if found := _ELEMENT.search(init) or _ELEMENT.search(head):
        return Merging("unknown", f"<{found.group(1)[:80]}>", xqcut)
    if xqcut > 0:
        note = "the run card has a matching cut (xqcut) but ickkw = 0: treated as a sample to match"
        return Merging("mlm", f"xqcut = {xqcut:g} in the run card", xqcut, (note,))
    return Merging()


def real(text: str) -> float:
    """A number as it stands in a card, also with Fortran's exponent; 0 where there is none."""
    try:
        value = float(text.lower().replace("d", "e"))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
