"""Which entry of ``PSWeight`` and ``LHEScaleWeight`` is which variation.

Both branches are lists without names, and NanoAOD has written them in several forms
(PhysicsTools/NanoAOD/plugins/GenWeightsTableProducer.cc of CMSSW 10_2 to 15_0):

============== ====== =============================================================================
branch         length what it is
============== ====== =============================================================================
PSWeight       1      a dummy of 1: the sample has no shower weights
PSWeight       4      ISR x 2, FSR x 2, ISR x 1/2, FSR x 1/2; the title gives another order if there is one
PSWeight       12, 44 all weights of Pythia after the nominal and the baseline: reduced, default, conservative sets
                      of ISR up, FSR up, ISR down, FSR down, and 32 of single splittings
LHEScaleWeight 9      (muR, muF) from (0.5, 0.5) to (2, 2), muF fastest, the nominal in the middle
LHEScaleWeight 8      the same without the nominal, which is 1
both           0      the event has none
============== ====== =============================================================================

The title of the branch says more where it names the entries, ``[0] is ISR=2 FSR=1; [1] is ...``, ``[4] isrDefHi;`` or
``[3] is muR=1 muF=0.5``: it is followed, also for other lengths.  "Up" is the factor 2 there, and "Hi" of Pythia's
names, as CMSSW sorts them.  Where several entries are of one point, those of other dynamic scales follow the default one.
A length that neither tells is not guessed.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from massgap.events.btag_weights import B_EFFICIENCY
from massgap.events.pdf_members import PDF_WEIGHTS

__all__ = ["SCALE_WEIGHTS", "SHOWER_WEIGHTS", "WEIGHT_VARIATIONS", "Places", "known_lengths", "places_of"]

SHOWER_WEIGHTS = "PSWeight"
SCALE_WEIGHTS = "LHEScaleWeight"

WEIGHT_VARIATIONS: dict[str, tuple[str, tuple[str, str]]] = {
    "isr": (SHOWER_WEIGHTS, ("isr_up", "isr_down")),
    "fsr": (SHOWER_WEIGHTS, ("fsr_up", "fsr_down")),
    "mur": (SCALE_WEIGHTS, ("mur_up", "mur_down")),
    "muf": (SCALE_WEIGHTS, ("muf_up", "muf_down")),
    "pdf": (PDF_WEIGHTS, ("pdf_up", "pdf_down")),
    "btag": (B_EFFICIENCY, ("btag_up", "btag_down")),
    "mistag": (B_EFFICIENCY, ("mistag_up", "mistag_down")),
}
"""Name of a systematic -> branch, and its variations. ``pdf`` has members until all events are summed
(:mod:`massgap.events.pdf_members`)."""

_DOCUMENTED: dict[str, dict[int, dict[str, int]]] = {
    SHOWER_WEIGHTS: {
        1: {},
        4: {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3},
        12: {"isr_up": 4, "fsr_up": 5, "isr_down": 6, "fsr_down": 7},
        44: {"isr_up": 4, "fsr_up": 5, "isr_down": 6, "fsr_down": 7},
    },
    SCALE_WEIGHTS: {
        8: {"mur_up": 6, "mur_down": 1, "muf_up": 4, "muf_down": 3},
        9: {"mur_up": 7, "mur_down": 1, "muf_up": 5, "muf_down": 3},
    },
}

_POINTS = {
    SHOWER_WEIGHTS: {
        (2.0, 1.0): "isr_up",
        (1.0, 2.0): "fsr_up",
        (0.5, 1.0): "isr_down",
        (1.0, 0.5): "fsr_down",
    },
    SCALE_WEIGHTS: {
        (2.0, 1.0): "mur_up",
        (1.0, 2.0): "muf_up",
        (0.5, 1.0): "mur_down",
        (1.0, 0.5): "muf_down",
    },
}
_ENTRY = re.compile(r"\[(\d+)\]")
# 0.5, 0.5d0 and 0.50000E+00, with or without quotation marks.
_NUMBER = r"\s*=\s*[\"']?\s*([0-9.]+(?:[dDeE][+-]?\d+)?)"
_FACTORS = {
    SHOWER_WEIGHTS: (re.compile(rf"\bISR{_NUMBER}"), re.compile(rf"\bFSR{_NUMBER}")),
    SCALE_WEIGHTS: (
        re.compile(rf"\b(?:mu_?r|renscfact){_NUMBER}", re.IGNORECASE),
        re.compile(rf"\b(?:mu_?f|facscfact){_NUMBER}", re.IGNORECASE),
    ),
}
# Pythia's names of the default set, the ones that CMSSW looks for: isrDefHi, fsr:murfac=0.5, isr.murfac=2.0.
_NAMED = re.compile(
    r"\b([if]sr)(?:Def|[:.]murfac=)(?:(Hi|_up|2(?:\.0*)?)|(Lo|_dn|0?\.50*))(?![\w.])", re.IGNORECASE
)


@dataclass(frozen=True)
class Places:
    """What the title of a branch tells of its entries.

    Attributes
    ----------
    length
        Number of entries that it tells of; 0 if it tells none.
    places
        Variation -> place in the list.
    dummy
        Whether it says that the weights are dummies.
    old
        Whether it is the form of NanoAOD up to version 8, which begins with the factor 1/2.
    """

    length: int = 0
    places: dict[str, int] = field(default_factory=dict)
    dummy: bool = False
    old: bool = False

    def of(self, branch: str, length: int) -> dict[str, int] | None:
        """Variation -> place in lists of a length; None if nobody says what they are.

        Examples
        --------
        >>> Places().of("LHEScaleWeight", 8)["mur_up"], Places().of("LHEScaleWeight", 10)
        (6, None)
        """
        if length == 0 or self.dummy:
            return {}
        if self.length == length:
            return self.places
        return _DOCUMENTED[branch].get(length)


def known_lengths(branch: str) -> tuple[int, ...]:
    """Lengths of a branch that are known without a title.

    Examples
    --------
    >>> known_lengths("PSWeight"), known_lengths("LHEScaleWeight")
    ((0, 1, 4, 12, 44), (0, 8, 9))
    """
    return (0, *_DOCUMENTED[branch])


@functools.lru_cache(maxsize=256)
def places_of(branch: str, title: str) -> Places:
    """What the title of a branch tells.

    Parameters
    ----------
    branch
        ``PSWeight`` or ``LHEScaleWeight``.
    title
        Its title, as NanoAOD writes it; empty or ``PSWeight[nPSWeight]/F`` where others wrote the file.

    Examples
    --------
    >>> places_of("PSWeight", "PS weights; [0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5; [2] is ISR=2 FSR=1").places
    {'isr_down': 0, 'fsr_down': 1, 'isr_up': 2}
    >>> places_of("LHEScaleWeight", "LHE scale weights; [0] is muR=2 muF=1 ; [1] is muR=1 muF=0.5d0").places
    {'mur_up': 0, 'muf_down': 1}
    """
    parts = _ENTRY.split(title)
    found: dict[str, int] = {}
    told = [(int(index), text) for index, text in zip(parts[1::2], parts[2::2], strict=True)]
    understood = False
    for index, text in told:
        point, variation = _point(branch, text)
        understood = understood or point
        if variation is not None:
            found.setdefault(variation, index)
    length = 1 + max(index for index, _ in told) if told and understood else 0
    return Places(length, found, dummy="dummy" in title.lower(), old=found.get("isr_down") == 0)


def _point(branch: str, text: str) -> tuple[bool, str | None]:
    """Whether the words on an entry are understood, and which variation it is, if any."""
    factors = [pattern.search(text) for pattern in _FACTORS[branch]]
    first, second = factors
    if first is not None and second is not None:
        point = (_float(first[1]), _float(second[1]))
        return True, _POINTS[branch].get(point)
    named = _NAMED.findall(text) if branch == SHOWER_WEIGHTS else []
    if not named:
        return False, None
    shower, up, _ = named[0]
    both = len({name.lower() for name, _, _ in named}) > 1
    return True, None if both else f"{shower.lower()}_{'up' if up else 'down'}"


def _float(text: str) -> float:
    """A factor as Fortran may have written it."""
    try:
        return round(float(text.lower().replace("d", "e")), 4)
    except ValueError:
        return float("nan")
