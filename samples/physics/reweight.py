"""Weights of variations: scales and parton densities of the hard process, scales of the showers.

The first two are computed after generation from what each event knows of its hard process, so they cost nothing while
generating and serve Pythia's own processes (matrix-element files bring weights of their own). All weights are relative
to the nominal event: 1 means no change. They hold the shower and the matrix element's other inputs fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.physics.cross_sections import DEFAULT_PDF, parton_density

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Factors of muR (outer) and muF (inner) in NanoAOD's order.
SCALE_FACTORS = tuple((mur, muf) for mur in (0.5, 1.0, 2.0) for muf in (0.5, 1.0, 2.0))
#: Sets of parton densities by Pythia's number: the members of ``LHEPdfWeight``.
PDF_SETS = {
    13: "NNPDF2.3 LO, alpha_s = 0.130 (nominal)",
    14: "NNPDF2.3 LO, alpha_s = 0.119",
    17: "NNPDF3.1 LO, alpha_s = 0.130",
    18: "NNPDF3.1 LO, alpha_s = 0.118",
    5: "MSTW 2008 LO",
    8: "CTEQ6L1",
    20: "NNPDF3.1 NNLO, alpha_s = 0.118",
}
#: Weights of one event stay within 0 and this.
MAX_WEIGHT = 10.0
#: Parton densities (times x) below this say nothing about a ratio.
TINY = 1e-7
#: Shower weights stay within 0 and this: halving the scale of final-state radiation makes outliers above 30.
MAX_SHOWER_WEIGHT = 10.0
# Pythia's settings of the hard process, all at their defaults
_ALPHA_S, _ORDER, _FLAVOURS = 0.13, 1, 6
_Q2_MIN = 1.0
# NanoAOD: [0] ISR=2 FSR=1, [1] ISR=1 FSR=2, [2] ISR=0.5 FSR=1, [3] ISR=1 FSR=0.5, factors of the scale
_SHOWER = (
    ("isrdn", "isr:muRfac=2.0"),
    ("fsrdn", "fsr:muRfac=2.0"),
    ("isrup", "isr:muRfac=0.5"),
    ("fsrup", "fsr:muRfac=0.5"),
)


def scale_weights(
    info: Mapping[str, np.ndarray], qcd_order: int, *, pdf_set: int = DEFAULT_PDF
) -> np.ndarray:
    """Weights (n, 9) of the renormalisation and factorisation scales of the hard process.

    NanoAOD's order: muR = 0.5, 1, 2 outside, muF inside, so [0] is (0.5, 0.5) and [4] the nominal. muR acts through
    the running coupling (one loop, 0.130 at the Z mass, as in Pythia's hard process) to the power ``qcd_order``;
    muF through the ratio of the nominal parton densities.

    Parameters
    ----------
    info : mapping of arrays (n,)
        ``id1, id2, x1, x2, Q2Fac`` and, unless qcd_order is 0, ``Q2Ren`` (GeV^2).
    qcd_order : int
        Power of alpha_s in the leading-order cross section: 0 for Drell-Yan or sleptons, 1 for Z + jet, 2 for top pairs.
    pdf_set : int
        Pythia's number (``PDF:pSet``) of the set of the events.

    Raises
    ------
    GenerationError
        If a column is missing or the order is not a whole number from 0 up.
    """
    order: Any = qcd_order
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 0:
        msg = f"qcd_order is the power of alpha_s, a whole number from 0 up, not {qcd_order!r}"
        raise GenerationError(msg)
    _need(info, ("id1", "id2", "x1", "x2", "Q2Fac"))
    nominal = _densities(info, pdf_set, 1.0)
    muf = {1.0: np.ones(len(nominal[0]))}
    for factor in (0.5, 2.0):
        muf[factor] = _ratio(_densities(info, pdf_set, factor), nominal)
    mur = dict.fromkeys((0.5, 1.0, 2.0), np.ones(len(nominal[0])))
    if qcd_order:
        _need(info, ("Q2Ren",))
        q2 = np.asarray(info["Q2Ren"], dtype=np.float64)
        reference = alpha_s(q2)
        mur |= {factor: (alpha_s(factor**2 * q2) / reference) ** qcd_order for factor in (0.5, 2.0)}
    table = np.stack([mur[r] * muf[f] for r, f in SCALE_FACTORS], axis=1)
    return np.clip(table, 0.0, MAX_WEIGHT)


def pdf_weights(info: Mapping[str, np.ndarray], sets: Sequence[int] = tuple(PDF_SETS)) -> np.ndarray:
    """Weights (n, k) of other parton densities; [0] is the nominal, 1.

    By default the members are, in this order: NNPDF2.3 LO with alpha_s = 0.130 (nominal) and 0.119, NNPDF3.1 LO with
    0.130 and 0.118, MSTW 2008 LO, CTEQ6L1, and NNPDF3.1 NNLO: central members of the sets that come with Pythia. They
    show how much the choice of a set matters; they are no statistical uncertainty of one set. The coupling is not
    varied. Negative densities of sets beyond leading order count as 0.

    Parameters
    ----------
    info : mapping of arrays (n,)
        ``id1, id2, x1, x2, Q2Fac`` (GeV^2).
    sets : sequence of int
        Pythia's numbers (``PDF:pSet``), the set of the events first.

    Raises
    ------
    GenerationError
        If a column is missing or Pythia does not have a set.
    """
    _need(info, ("id1", "id2", "x1", "x2", "Q2Fac"))
    if not len(sets):
        msg = "no set of parton densities given: the first one is that of the events"
        raise GenerationError(msg)
    nominal = _densities(info, sets[0], 1.0)
    columns = [np.ones(len(nominal[0]))]
    columns += [_ratio(_densities(info, number, 1.0), nominal) for number in sets[1:]]
    return np.clip(np.stack(columns, axis=1), 0.0, MAX_WEIGHT)


def closure(info: Mapping[str, np.ndarray]) -> np.ndarray:
    """Recomputed over recorded product of the two parton densities (n,): 1 where the events used the nominal set.

    Raises
    ------
    GenerationError
        If a column is missing.
    """
    _need(info, ("id1", "id2", "x1", "x2", "Q2Fac", "pdf1", "pdf2"))
    first, second = _densities(info, DEFAULT_PDF, 1.0)
    return _ratio((first, second), (np.asarray(info["pdf1"]), np.asarray(info["pdf2"])))


def shower_settings() -> tuple[str, ...]:
    """Pythia settings that add the four shower variations; generation becomes about 2.5 times slower.

    Final-state radiation is varied at 20 times its lowest pT^2 and above: below, where the coupling grows beyond
    bounds, the variation would be all noise (its spread falls from 1.0 to 0.2 in Drell-Yan, 1.7 to 1.3 in top pairs).
    """
    variations = ", ".join(f"{name} {change}" for name, change in _SHOWER)
    return (
        "UncertaintyBands:doVariations = on",
        f"UncertaintyBands:List = {{{variations}}}",
        "UncertaintyBands:FSRpTmin2Fac = 20.",
    )


def ps_weights(
    names: Sequence[str], weights: np.ndarray, *, max_weight: float = MAX_SHOWER_WEIGHT
) -> np.ndarray:
    """Weights (n, 4) of the shower's scales in NanoAOD's order.

    [0] ISR = 2 FSR = 1, [1] ISR = 1 FSR = 2, [2] ISR = 0.5 FSR = 1, [3] ISR = 1 FSR = 0.5, factors of the
    renormalisation scale (a smaller scale radiates more). Clipped to [0, max_weight], because single events of the
    last one reach weights above 30 and would rule a distribution.

    Parameters
    ----------
    names : sequence of str
        Name of each column (see :func:`weight_names`).
    weights : array (n, len(names))
        ``info.weights`` of Pythia, the nominal weight first.

    Raises
    ------
    GenerationError
        If a variation is missing among the names, or names and columns differ in number.
    """
    table = np.asarray(weights, dtype=np.float64)
    known = {name.lower(): column for column, name in enumerate(names)}
    if table.ndim != 2 or table.shape[1] != len(names):
        msg = f"{len(names)} names of weights for an array of shape {table.shape}: give one per column"
        raise GenerationError(msg)
    missing = [name for name, _ in _SHOWER if name not in known]
    if missing:
        msg = f"the events carry no weights {', '.join(missing)}: generate them with shower_settings()"
        raise GenerationError(msg)
    nominal = table[:, :1]
    varied = table[:, [known[name] for name, _ in _SHOWER]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(nominal != 0.0, varied / nominal, 1.0)
    return np.clip(np.nan_to_num(ratio, nan=1.0), 0.0, max_weight)


def weight_names(pythia: Any, count: int) -> list[str]:
    """Names of the first ``count`` weights of a Pythia object, lower case."""
    info = pythia.infoPython()
    return [str(info.weightNameByIndex(index)).lower() for index in range(count)]


def _need(info: Mapping[str, np.ndarray], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in info]
    if missing:
        msg = f"the events lack {', '.join(missing)}, which weights of variations are computed from"
        raise GenerationError(msg)


def _densities(info: Mapping[str, np.ndarray], pdf_set: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    xf = parton_density(pdf_set)
    q2 = (factor**2 * np.asarray(info["Q2Fac"], dtype=np.float64)).clip(_Q2_MIN).tolist()
    first, second = (
        # the densities know one point at a time
        np.fromiter(
            map(xf, np.asarray(info[f"id{k}"]).tolist(), np.asarray(info[f"x{k}"]).tolist(), q2),
            dtype=np.float64,
            count=len(q2),
        )
        for k in (1, 2)
    )
    return first, second


def _ratio(varied: tuple[np.ndarray, np.ndarray], nominal: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Ratio of products; a factor whose nominal density is next to nothing counts as unchanged."""
    result = np.ones(len(nominal[0]))
    for new, old in zip(varied, nominal, strict=True):
        usable = np.isfinite(new) & np.isfinite(old) & (old > TINY)
        result *= np.where(usable, np.maximum(new, 0.0) / np.where(usable, old, 1.0), 1.0)
    return result


def alpha_s(q2: np.ndarray) -> np.ndarray:
    """Strong coupling of the hard process at scales squared (GeV^2): one loop, 0.130 at the Z mass, as Pythia's default."""
    from massgap.samples.extra import require

    running = require().AlphaStrong()
    running.init(_ALPHA_S, _ORDER, _FLAVOURS, False)
    values = np.asarray(q2, dtype=np.float64).clip(_Q2_MIN)
    return np.fromiter(map(running.alphaS, values.tolist()), dtype=np.float64, count=len(values))
