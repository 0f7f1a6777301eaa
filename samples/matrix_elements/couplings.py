"""Couplings of quarks, winos and electroweak bosons, and from them the coefficients of the Lorentz structures.

A coefficient is a sum of terms: a product of four couplings times propagators of the exchanged bosons (between quark line and the
rest, at t1 and t2, and of the boson that makes the pair, at s3).  All sums over bosons and intermediate winos and quarks are done once, here; at each point of
phase space only the propagators remain.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.physical_constants import Z_MASS

__all__ = ["FINAL_STATES", "Electroweak", "FinalState", "Terms", "coefficients", "propagators", "terms_of"]

A, Z, W_PLUS, W_MINUS = range(4)
UP, DOWN = 0, 1
#: Products of propagators: three bosons (photon, Z, W) at t1 or none, the same at t2, and at s3.
N_PROPAGATORS = 64
_NONE = 3


@dataclass(frozen=True)
class Electroweak:
    """Parameters of the electroweak interaction at lowest order: alpha, the Fermi constant and the mass of the Z give the rest.

    These three, and their values, are those of MadGraph's models; with the measured mass of the W in place of the lowest order's
    the cross section, of fourth order in alpha, would be 6 to 20 % larger.

    Parameters
    ----------
    inverse_alpha
        1 / alpha at the mass of the Z.
    fermi
        Fermi constant, GeV^-2.
    m_z
        Mass of the Z, GeV.

    Examples
    --------
    >>> round(Electroweak().m_w, 3)
    79.829
    """

    inverse_alpha: float = 127.934
    fermi: float = 1.16637e-5
    m_z: float = Z_MASS

    @property
    def m_w(self) -> float:
        """Mass of the W, GeV."""
        a = math.pi / (self.inverse_alpha * math.sqrt(2.0) * self.fermi)
        return self.m_z * math.sqrt(0.5 + math.sqrt(0.25 - a / self.m_z**2))

    @property
    def e(self) -> float:
        """Charge of the positron."""
        return math.sqrt(4.0 * math.pi / self.inverse_alpha)

    @property
    def cos_w(self) -> float:
        """Cosine of the weak mixing angle."""
        return self.m_w / self.m_z

    @property
    def g(self) -> float:
        """Coupling of SU(2)."""
        return self.e / math.sqrt(1.0 - self.cos_w**2)

    def quark(self, out: int, into: int, boson: int, chirality: int) -> float:
        """Coupling of a boson's field to the quark ``into`` that becomes ``out``; the field W+ makes up of down."""
        if boson in (W_PLUS, W_MINUS):
            wanted = (UP, DOWN) if boson == W_PLUS else (DOWN, UP)
            return self.g / math.sqrt(2.0) if chirality == 0 and (out, into) == wanted else 0.0
        if out != into:
            return 0.0
        charge = 2 / 3 if into == UP else -1 / 3
        isospin = 0.0 if chirality else (0.5 if into == UP else -0.5)
        if boson == A:
            return self.e * charge
        return self.g / self.cos_w * (isospin - (1.0 - self.cos_w**2) * charge)

    def wino(self, out: int, into: int, boson: int) -> float:
        """Coupling to winos of charge ``into`` that become ``out``; an isospin of 1, so no hypercharge."""
        if boson in (W_PLUS, W_MINUS):
            return self.g if out - into == (1 if boson == W_PLUS else -1) else 0.0
        if out != into:
            return 0.0
        return self.e * into if boson == A else self.g * self.cos_w * into

    def triple(self, x: int, y: int, z: int) -> float:
        """Coupling of three bosons' fields: W+ W- with a photon or a Z; the sign is that of their order."""
        order = [3 if boson in (A, Z) else boson - W_PLUS + 1 for boson in (x, y, z)]
        if sorted(order) != [1, 2, 3]:
            return 0.0
        size = self.e if A in (x, y, z) else self.g * self.cos_w
        return size if order in ([1, 2, 3], [2, 3, 1], [3, 1, 2]) else -size


class FinalState(NamedTuple):
    """A pair of winos: charge of the wino k1 along the line, of the one that the antiwino k2 belongs to, PDG numbers, symmetry."""

    name: str
    out: int
    into: int
    pdg: tuple[int, int]
    factor: float

    @property
    def charge(self) -> int:
        """Charge of the pair."""
        return self.out - self.into


FINAL_STATES = (
    FinalState("C1+ N2", 1, 0, (1000024, 1000023), 1.0),
    FinalState("C1- N2", 0, 1, (1000023, -1000024), 1.0),
    FinalState("C1+ C1-", 1, 1, (1000024, -1000024), 1.0),
    FinalState("N2 N2", 0, 0, (1000023, 1000023), 0.5),
    FinalState("C1+ C1+", 1, -1, (1000024, 1000024), 0.5),
    FinalState("C1- C1-", -1, 1, (-1000024, -1000024), 0.5),
)
"""All pairs of a triplet; equal particles count half, for all directions of both are integrated."""


class Terms(NamedTuple):
    """All terms of all coefficients, as flat arrays.

    Attributes
    ----------
    flavours
        Flavours along the flow, (into 1, out 1, into 2, out 2), 0 for up-type and 1 for down-type; shape (n, 4).
    states
        Index of the final state, shape (n,).
    chiralities
        Of both lines, shape (n, 2).
    row, structure, propagator, value
        Term by term: which of the n rows, structure and product of propagators it belongs to, and its couplings.
    """

    flavours: Any
    states: Any
    chiralities: Any
    row: Any
    structure: Any
    propagator: Any
    value: Any


def terms_of(model: Electroweak, states: tuple[FinalState, ...] = FINAL_STATES) -> Terms:
    """The terms of all flavours and chiralities of two quark lines that make some pairs of winos."""
    keys: list[tuple[tuple[int, ...], int, tuple[int, int]]] = []
    found: dict[tuple[int, int, int], float] = {}
    for number, state in enumerate(states):
        for into1, out1, into2, out2 in itertools.product((UP, DOWN), repeat=4):
            # a quark that goes down gives a positive charge
            if (out1 - into1) + (out2 - into2) != state.charge:
                continue
            for chirality in ((0, 0), (0, 1), (1, 0), (1, 1)):
                own = _terms(model, state, (into1, out1, into2, out2), chirality)
                if own:
                    found |= {(len(keys), *place): value for place, value in own.items()}
                    keys.append(((into1, out1, into2, out2), number, chirality))
    row, structure, propagator = np.array(list(found), dtype=np.int64).reshape(-1, 3).T.copy()
    return Terms(
        np.array([key[0] for key in keys], dtype=np.int64).reshape(-1, 4),
        np.array([key[1] for key in keys], dtype=np.int64),
        np.array([key[2] for key in keys], dtype=np.int64).reshape(-1, 2),
        row,
        structure,
        propagator,
        np.array(list(found.values())),
    )


def _conjugate(boson: int) -> int:
    """The field at the other end of a propagator."""
    return boson if boson in (A, Z) else W_PLUS + W_MINUS - boson


def _place(at_t1: int | None, at_t2: int | None, at_s3: int | None) -> int:
    """Number of a product of propagators."""
    kinds = [_NONE if boson is None else min(boson, W_PLUS) for boson in (at_t1, at_t2, at_s3)]
    return 16 * kinds[0] + 4 * kinds[1] + kinds[2]


def _terms(
    model: Electroweak, state: FinalState, flavours: tuple[int, ...], chirality: tuple[int, int]
) -> dict[tuple[int, int], float]:
    """(structure, product of propagators) -> couplings."""
    into1, out1, into2, out2 = flavours
    h1, h2 = chirality
    found: dict[tuple[int, int], float] = {}

    def add(structure: int, place: int, value: float) -> None:
        if value:
            found[structure, place] = found.get((structure, place), 0.0) + value

    for x, y in itertools.product(range(4), repeat=2):
        lines = model.quark(out1, into1, x, h1) * model.quark(out2, into2, y, h2)
        if lines:
            x_end, y_end = _conjugate(x), _conjugate(y)
            for middle in (-1, 0, 1):
                near1 = model.wino(state.out, middle, x_end) * model.wino(middle, state.into, y_end)
                near2 = model.wino(state.out, middle, y_end) * model.wino(middle, state.into, x_end)
                add(0, _place(x, y, None), lines * near1)
                add(1, _place(x, y, None), lines * near2)
            for z in range(4):
                fused = model.triple(x_end, y_end, z) * model.wino(state.out, state.into, _conjugate(z))
                add(2, _place(x, y, z), lines * fused)
    for z, y, middle in itertools.product(range(4), range(4), (UP, DOWN)):
        made, y_end = model.wino(state.out, state.into, _conjugate(z)), _conjugate(y)
        other = made * model.quark(out2, into2, y, h2)
        add(
            3,
            _place(None, y, z),
            other * model.quark(out1, middle, z, h1) * model.quark(middle, into1, y_end, h1),
        )
        add(
            4,
            _place(None, y, z),
            other * model.quark(out1, middle, y_end, h1) * model.quark(middle, into1, z, h1),
        )
        other = made * model.quark(out1, into1, y, h1)
        add(
            5,
            _place(y, None, z),
            other * model.quark(out2, middle, z, h2) * model.quark(middle, into2, y_end, h2),
        )
        add(
            6,
            _place(y, None, z),
            other * model.quark(out2, middle, y_end, h2) * model.quark(middle, into2, z, h2),
        )
    return found


@compiled
def propagators(t1: float, t2: float, s3: float, m_z: float, m_w: float, out: Any) -> None:
    """All products of propagators, shape (64,); the pair is heavier than the Z, so no width is needed."""
    z2, w2 = m_z * m_z, m_w * m_w
    at_t1 = (1.0 / t1, 1.0 / (t1 - z2), 1.0 / (t1 - w2), 1.0)
    at_t2 = (1.0 / t2, 1.0 / (t2 - z2), 1.0 / (t2 - w2), 1.0)
    at_s3 = (1.0 / s3, 1.0 / (s3 - z2), 1.0 / (s3 - w2), 1.0)
    for i in range(4):
        for j in range(4):
            product = at_t1[i] * at_t2[j]
            for k in range(4):
                out[16 * i + 4 * j + k] = product * at_s3[k]


@compiled
def coefficients(row: Any, structure: Any, propagator: Any, value: Any, products: Any, out: Any) -> None:
    """Sum the terms: out[row, structure], shape (n, 7)."""
    out[:, :] = 0.0
    for k in range(row.size):
        out[row[k], structure[k]] += value[k] * products[propagator[k]]
