"""Weights that an event file declares: which one is which scale, which one is which PDF member.

Programs name them in their own ways; read here are MadGraph5_aMC@NLO (attributes ``MUR``, ``MUF``, ``PDF`` of new
files, ``muR=0.5 muF=1`` and ``pdfset=`` of old ones), POWHEG (``renscfact=``, ``facscfact=``, ``lhapdf=``) and Sherpa
(``MUR0.5_MUF1_PDF303200``).
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass

#: NanoAOD's order of LHEScaleWeight: muR outer, muF inner.
SCALES = tuple((mur, muf) for mur in (0.5, 1.0, 2.0) for muf in (0.5, 1.0, 2.0))
_MIN_MEMBERS = 3
#: Name of the group of weights, in files made here, whose members are different sets of parton densities.
PDF_GROUP = "choice of parton densities"
#: Names that Pythia takes for scales, whatever they are.
SCALE_NAMES = {str(number) for number in range(1001, 1010)}
_NUMBER = r"\s*[=:]?\s*[\"']?\s*([0-9.]+(?:[ed][+-]?\d+)?)"
_TOKEN = re.compile(
    r"<weightgroup\b([^>]*)>|(</weightgroup>)|<weight\b([^>]*?)(?:/>|>(.*?)</weight>)",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class LheWeight:
    """One declared weight.

    Attributes
    ----------
    id : str
        As used in the events.
    group : str
        Name of its group.
    mur, muf : float or None
        Factors of the scales.
    pdf : int or None
        LHAPDF number.
    plain : bool
        Whether nothing else is varied.
    """

    id: str
    group: str
    mur: float | None
    muf: float | None
    pdf: int | None
    plain: bool


def read_weights(block: str) -> tuple[LheWeight, ...]:
    """Read the content of an ``<initrwgt>`` block."""
    group = ""
    found: dict[str, LheWeight] = {}
    for opened, closed, attributes, body in _TOKEN.findall(html.unescape(block)):
        if opened:
            group = _attribute(opened, "name") or _attribute(opened, "type")
        elif closed:
            group = ""
        elif name := _attribute(attributes, "id"):
            text = f"{attributes} {body}".lower()
            found.setdefault(name, _one(name, group, text))
    return tuple(found.values())


def _attribute(text: str, name: str) -> str:
    found = re.search(rf"\b{name}\s*=\s*([\"'])(.*?)\1", text, re.IGNORECASE | re.DOTALL)
    return found.group(2).strip() if found else ""


def _one(name: str, group: str, text: str) -> LheWeight:
    pdf = re.search(r"(?:lhapdf|pdf\s?set|pdf)\s*[=:]?\s*[\"']?\s*(\d+)", text)
    dynamical = re.search(r"\bdyn(?:_scale)?\s*=\s*[\"']?\s*(-?\d+)", text)
    coupling = _factor(r"(?:alpsfact|\balps)", text)
    return LheWeight(
        id=name,
        group=group,
        mur=_factor(r"(?:mur|renscfact)", text),
        muf=_factor(r"(?:muf|facscfact)", text),
        pdf=int(pdf.group(1)) if pdf else None,
        plain=(dynamical is None or int(dynamical.group(1)) == -1)
        and coupling in (None, 1.0)
        and "hdamp" not in text,
    )


def _factor(pattern: str, text: str) -> float | None:
    found = re.search(pattern + _NUMBER, text)
    try:
        return float(found.group(1).replace("d", "e")) if found else None
    except ValueError:
        return None


def scale_weights(weights: tuple[LheWeight, ...], nominal_pdf: int) -> tuple[tuple[str, ...], list[str]]:
    """Ids of the nine scale variations in NanoAOD's order, or nothing and the reason.

    The nominal one may be missing; it is XWGTUP then, and its id is empty.
    """
    some = [w for w in weights if w.plain and (w.mur is not None or w.muf is not None)]
    varied = [w for w in some if (w.mur or 1.0, w.muf or 1.0) != (1.0, 1.0)]
    if not varied:
        return (), []
    pdfs = Counter(w.pdf for w in varied)
    central = nominal_pdf if nominal_pdf in pdfs else pdfs.most_common(1)[0][0]
    ids: dict[tuple[float, float], str] = {(1.0, 1.0): ""}
    for w in some:
        point = (w.mur or 1.0, w.muf or 1.0)
        if w.pdf in (None, central) and not ids.get(point):
            ids[point] = w.id
    missing = [point for point in SCALES if point not in ids]
    if missing:
        points = ", ".join(f"({mur:g}, {muf:g})" for mur, muf in missing)
        return (), [f"no LHEScaleWeight: the file has no weights for (muR, muF) = {points}"]
    return tuple(ids[point] for point in SCALES), []


def pdf_weights(weights: tuple[LheWeight, ...], nominal_pdf: int) -> tuple[tuple[str, ...], int]:
    """Ids of the members of one PDF set, nominal first, and the LHAPDF number of the first.

    Of several sets the one of the nominal PDF is taken, otherwise the largest. A set without its member 0 in the
    file has XWGTUP there, with an empty id.
    """
    runs: list[list[LheWeight]] = []
    for w in weights:
        if not w.plain or w.pdf is None or (w.mur or 1.0, w.muf or 1.0) != (1.0, 1.0):
            continue
        if runs and runs[-1][-1].pdf == w.pdf - 1 and runs[-1][-1].group == w.group:
            runs[-1].append(w)
        elif not runs or (runs[-1][-1].pdf, runs[-1][-1].group) != (w.pdf, w.group):
            runs.append([w])
    runs = [run for run in runs if len(run) >= _MIN_MEMBERS]
    if choice := [w for w in weights if w.group == PDF_GROUP and w.pdf is not None]:
        # different sets, which follow the nominal one
        return ("", *(w.id for w in choice)), nominal_pdf
    if not runs:
        return (), 0

    def rank(run: list[LheWeight]) -> tuple[bool, int]:
        first, last = run[0].pdf or 0, run[-1].pdf or 0
        return first - 1 <= nominal_pdf <= last, len(run)

    best = max(runs, key=rank)
    first = best[0].pdf or 0
    ids = tuple(w.id for w in best)
    # sets begin at round numbers
    return (("", *ids), first - 1) if first % 100 == 1 or nominal_pdf == first - 1 else (ids, first)


def pythia_order(ids: tuple[str, ...]) -> list[str]:
    """Order in which Pythia hands out the weights of an event, after XWGTUP.

    First those whose names have both MUR and MUF, then those that have neither; what has only one is dropped. Names
    1001 to 1009 are scales to Pythia, of one program's convention, so that names from Pythia mean nothing.
    """
    first, rest = [], []
    for name in ids:
        mur, muf = (True, True) if name in SCALE_NAMES else ("MUR" in name, "MUF" in name)
        if mur and muf:
            first.append(name)
        elif not mur and not muf:
            rest.append(name)
    return first + rest
