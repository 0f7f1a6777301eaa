r"""Leading-order cross sections of pairs of new particles, at any mass and energy.

Pythia keeps the shapes, these numbers the normalisation: its slepton pairs come out 2.2 to 2.6 times too small.

All processes are quark-antiquark annihilation through photon, Z or W with the superpartners of the quarks out of
reach. With A the product of couplings and propagators for a quark of given chirality, averaged over colour:

* scalars:   :math:`\hat\sigma = \frac{\hat s \beta^3}{288 \pi} (|A_L|^2 + |A_R|^2)`
* fermions:  :math:`\hat\sigma = \frac{\hat s \beta}{72 \pi} (|A_L|^2 + |A_R|^2)
  [1 - \frac{m_1^2 + m_2^2}{2 \hat s} - \frac{(m_1^2 - m_2^2)^2}{2 \hat s^2} + 3 \eta \frac{m_1 m_2}{\hat s}]`,
  :math:`\eta = 1` for a vector, -1 for an axial coupling,

with :math:`\beta = \lambda^{1/2}(\hat s, m_1^2, m_2^2) / \hat s`; both follow from the traces, and from muon pairs in
QED (:math:`4 \pi \alpha^2 / 3 s`) as a special case. The parton densities are Pythia's, at the scale
:math:`\sqrt{\hat s}`; :math:`\alpha = 1/128`, :math:`\sin^2\theta_W = 0.2312`. Next-to-leading order adds
20 to 35 %.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.physical_constants import W_MASS, W_WIDTH, Z_MASS, Z_WIDTH
from massgap.samples.errors import GenerationError

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHA = 1.0 / 128.0
SIN2_W = 0.2312
#: fb per GeV^-2.
FB = 0.3893794e12
#: Pythia's default: NNPDF2.3 LO, alpha_s = 0.130.
DEFAULT_PDF = 13
_NODES_TAU, _NODES_Y = 36, 28
_UP, _DOWN = (2, 4), (1, 3, 5)
#: Up-type quark, down-type quark, square of their mixing (two families; |V_us| = 0.2245).
_CABIBBO = ((2, 1, 0.9496), (2, 3, 0.0504), (4, 1, 0.0504), (4, 3, 0.9496))
_E2 = 4.0 * math.pi * ALPHA
_G2 = _E2 / SIN2_W

CHANNELS = ("N2C1", "N2C1+", "N2C1-", "C1C1")


@lru_cache(maxsize=32)
def parton_density(pdf_set: int = DEFAULT_PDF) -> Callable[[int, float, float], float]:
    """Parton density x f(id, x, Q2) of the proton by Pythia's number of the set (``PDF:pSet``).

    Raises
    ------
    GenerationError
        If Pythia does not have the set.
    GeneratorMissingError
        Without the generator extra.
    """
    from massgap.samples.extra import require

    pythia = require().Pythia("", False)
    lines = ("Print:quiet = on", "ProcessLevel:all = off", f"PDF:pSet = {pdf_set}")
    known = 1 <= pdf_set <= 23 and all(pythia.readString(line) for line in lines) and pythia.init()
    density: Any = pythia.getPDFPtr(2212) if known else None
    if density is None:
        msg = f"Pythia has no parton densities of number {pdf_set}: choose one of PDF:pSet = 1 to 23"
        raise GenerationError(msg)

    owner = [pythia]

    def xf(kind: int, x: float, q2: float) -> float:
        assert owner  # Pythia lives as long as its densities are used
        return float(density.xf(kind, x, q2))

    return xf


@lru_cache(maxsize=64)
def _luminosities(threshold: float, sqrt_s: float, pdf_set: int) -> dict[str, np.ndarray]:
    r"""Quark-antiquark luminosities on nodes in s-hat, times the quadrature weights.

    :math:`d\tau/\tau \int dy\, x_1 f(x_1) x_2 f(x_2)` over Gauss-Legendre nodes; tau is mapped so that the nodes crowd
    at the threshold, where the cross section rises with beta or beta cubed.
    """
    xf = parton_density(pdf_set)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES_TAU)
    u, du = 0.5 * (nodes + 1.0), 0.5 * weights
    span = -2.0 * math.log(threshold / sqrt_s)
    tau = (threshold / sqrt_s) ** 2 * np.exp(span * u**2)
    y_nodes, y_weights = np.polynomial.legendre.leggauss(_NODES_Y)
    found = {name: np.zeros(len(tau)) for name in ("uu", "dd", "ud", "du")}
    for i, value in enumerate(tau.tolist()):
        q2, half = value * sqrt_s**2, -0.5 * math.log(value)
        rows = {}
        x = np.sqrt(value) * np.exp(half * y_nodes)
        for kind in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5):
            rows[kind] = np.array([xf(kind, min(one, 1.0 - 1e-12), q2) for one in x.tolist()])
        # the nodes are symmetric in y: the other proton's x are the same in reverse order
        pairs = {
            "uu": sum(rows[k] * rows[-k][::-1] for k in _UP),
            "dd": sum(rows[k] * rows[-k][::-1] for k in _DOWN),
            "ud": sum(share * rows[u] * rows[-d][::-1] for u, d, share in _CABIBBO),
            "du": sum(share * rows[d] * rows[-u][::-1] for u, d, share in _CABIBBO),
        }
        jacobian = du[i] * span * 2.0 * u[i] * half
        for name, product in pairs.items():
            # both protons may give the quark
            found[name][i] = 2.0 * jacobian * float(y_weights @ product)
    return found | {"s": tau * sqrt_s**2}


def _check(value: float, name: str, sqrt_s_tev: float, threshold: float) -> None:
    if not (math.isfinite(value) and value > 0.0 and math.isfinite(sqrt_s_tev)):
        msg = f"{name} must be a mass in GeV above 0 and sqrt_s_tev (--energy) an energy in TeV, not {value!r} and {sqrt_s_tev!r}"
        raise GenerationError(msg)
    if not threshold < 1e3 * sqrt_s_tev:
        msg = f"a pair of {threshold:g} GeV is out of reach at {sqrt_s_tev:g} TeV"
        raise GenerationError(msg)


def _neutral(
    s: np.ndarray, charge: float, z_charge: float, quark_charge: float, quark_t3: float
) -> np.ndarray:
    """Sum over quark chiralities of |A|^2 (GeV^-4) for photon and Z; z_charge = T3 - Q sin^2."""
    propagator = 1.0 / (s - Z_MASS**2 + 1j * Z_MASS * Z_WIDTH)
    total = np.zeros(len(s))
    for t3 in (quark_t3, 0.0):
        exchange = z_charge * (t3 - quark_charge * SIN2_W) / (SIN2_W * (1.0 - SIN2_W))
        total += np.abs(_E2 * (charge * quark_charge / s + exchange * propagator)) ** 2
    return total


def _fermion_pair(s: np.ndarray, m1: float, m2: float, eta: float) -> np.ndarray:
    beta = np.sqrt(np.maximum((s - (m1 + m2) ** 2) * (s - (m1 - m2) ** 2), 0.0)) / s
    shape = 1 - (m1**2 + m2**2) / (2 * s) - (m1**2 - m2**2) ** 2 / (2 * s**2) + 3 * eta * m1 * m2 / s
    return s * beta * shape / (72.0 * math.pi)


def smuon_pair_xsec_fb(
    m: float, chirality: str = "left", sqrt_s_tev: float = 13.0, *, pdf_set: int = DEFAULT_PDF
) -> float:
    """Leading-order cross section (fb) of a pair of smuons (or selectrons) of mass m (GeV).

    Raises
    ------
    GenerationError
        For an unknown chirality, an impossible mass, or a pair out of reach.
    """
    if chirality not in ("left", "right"):
        msg = f"chirality must be left or right, not {chirality!r}"
        raise GenerationError(msg)
    _check(m, "m", sqrt_s_tev, 2 * m)
    table = _luminosities(2.0 * m, 1e3 * sqrt_s_tev, pdf_set)
    s = table["s"]
    z_charge = (-0.5 if chirality == "left" else 0.0) + SIN2_W
    partonic = s * np.maximum(1.0 - 4.0 * m**2 / s, 0.0) ** 1.5 / (288.0 * math.pi)
    rate = table["uu"] * _neutral(s, -1.0, z_charge, 2 / 3, 0.5)
    rate = rate + table["dd"] * _neutral(s, -1.0, z_charge, -1 / 3, -0.5)
    return float(FB * (partonic * rate).sum())


def wino_pair_xsec_fb(
    m: float,
    channel: str = "N2C1",
    sqrt_s_tev: float = 13.0,
    *,
    m_chargino: float | None = None,
    pdf_set: int = DEFAULT_PDF,
) -> float:
    """Leading-order cross section (fb) of wino pairs with decoupled squarks.

    Parameters
    ----------
    m : float
        Mass of the neutral (and of the charged, unless given) wino in GeV.
    channel : {"N2C1", "N2C1+", "N2C1-", "C1C1"}
        Neutralino with a chargino of both charges or of one, or a chargino pair.
    m_chargino : float, optional
        Mass of the charged wino.

    Raises
    ------
    GenerationError
        For an unknown channel, an impossible mass, or a pair out of reach.
    """
    if channel not in CHANNELS:
        msg = f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}"
        raise GenerationError(msg)
    charged = m if m_chargino is None else m_chargino
    neutral = charged if channel == "C1C1" else m
    _check(min(neutral, charged), "m", sqrt_s_tev, neutral + charged)
    table = _luminosities(neutral + charged, 1e3 * sqrt_s_tev, pdf_set)
    s = table["s"]
    partonic = _fermion_pair(s, neutral, charged, 1.0)
    if channel == "C1C1":
        # a charged wino has T3 = 1
        rate = table["uu"] * _neutral(s, 1.0, 1.0 - SIN2_W, 2 / 3, 0.5)
        rate = rate + table["dd"] * _neutral(s, 1.0, 1.0 - SIN2_W, -1 / 3, -0.5)
    else:
        exchange = np.abs(_G2 / math.sqrt(2.0) / (s - W_MASS**2 + 1j * W_MASS * W_WIDTH)) ** 2
        rate = exchange * sum(
            table[name] for name, sign in (("ud", "+"), ("du", "-")) if channel in ("N2C1", "N2C1" + sign)
        )
    return float(FB * (partonic * rate).sum())


def higgsino_pair_xsec_fb(
    m1: float, m2: float, sqrt_s_tev: float = 14.0, *, axial: bool = True, pdf_set: int = DEFAULT_PDF
) -> float:
    """Leading-order cross section (fb) of two different neutral higgsinos through a Z.

    With positive masses and real mixing their coupling to the Z is axial; if one mass is negative it is a vector.

    Raises
    ------
    GenerationError
        For an impossible mass, or a pair out of reach.
    """
    _check(min(m1, m2), "m1, m2", sqrt_s_tev, m1 + m2)
    table = _luminosities(m1 + m2, 1e3 * sqrt_s_tev, pdf_set)
    s = table["s"]
    partonic = _fermion_pair(s, m1, m2, -1.0 if axial else 1.0)
    rate = table["uu"] * _neutral(s, 0.0, 0.5, 2 / 3, 0.5) + table["dd"] * _neutral(s, 0.0, 0.5, -1 / 3, -0.5)
    return float(FB * (partonic * rate).sum())
