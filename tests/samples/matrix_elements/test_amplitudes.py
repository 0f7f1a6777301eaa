"""Squared amplitudes of wino pairs by boson fusion: gauge invariance, symmetries, and Feynman rules written down once more."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from massgap.physical_constants import Z_MASS
from massgap.samples.matrix_elements.couplings import (
    FINAL_STATES,
    N_PROPAGATORS,
    Electroweak,
    coefficients,
    propagators,
    terms_of,
)
from massgap.samples.matrix_elements.fusion import squared_amplitudes, work_arrays
from massgap.samples.matrix_elements.phase_space import JetCuts, jet_pair_point
from massgap.samples.matrix_elements.structures import lorentz_structures, momenta, wino_spinors

M = 200.0
MODEL = Electroweak()
TERMS = terms_of(MODEL)
MASSES = (Z_MASS, MODEL.m_w)
STATE = {state.name: i for i, state in enumerate(FINAL_STATES)}
KINDS = ("qq", "qa", "aq", "aa")


def points(n, seed=1):
    """Momenta of events, drawn through the phase space."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        p = np.zeros((6, 4))
        weight, x1, x2, _ = jet_pair_point(rng.random(10), M, 13000.0, JetCuts(), p)
        if weight > 0 and max(x1, x2) < 1:
            found.append(p)
    return found


def squares(p, masses=MASSES, terms=TERMS):
    out = np.zeros((len(terms.states), 4))
    squared_amplitudes(np.ascontiguousarray(p), M, masses, terms, work_arrays(terms), out)
    return out


def by_process(p, masses=MASSES, terms=TERMS):
    """(flavours, state, kind) -> squared amplitude summed over chiralities."""
    out = {}
    for row, values in zip(range(len(terms.states)), squares(p, masses, terms), strict=True):
        for kind, value in zip(KINDS, values, strict=True):
            key = (tuple(terms.flavours[row].tolist()), FINAL_STATES[terms.states[row]].name, kind)
            out[key] = out.get(key, 0.0) + value
    return out


def test_points_are_on_shell_and_balance():
    for p in points(50):
        square = p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1)
        np.testing.assert_allclose(square, [0, 0, 0, 0, M**2, M**2], atol=1e-8 * p[:, 0].max() ** 2)
        np.testing.assert_allclose(p[:2].sum(axis=0), p[2:].sum(axis=0), atol=1e-9 * p[:, 0].max())


@pytest.mark.parametrize("anti", list(itertools.product((False, True), repeat=2)))
def test_the_amplitude_of_a_longitudinal_boson_vanishes(anti):
    """Ward identity: with all bosons massless the graphs cancel when the current of line 2 is replaced by its momentum."""
    worst, rest = 0.0, math.inf
    for p in points(8):
        rows = momenta(p)
        q1, q2, pair = p[0] - p[2], p[1] - p[3], p[4] + p[5]

        def square(q):
            return q[0] ** 2 - (q[1:] ** 2).sum()

        products, c = np.zeros(N_PROPAGATORS), np.zeros((len(TERMS.states), 7))
        propagators(square(q1), square(q2), square(pair), 0.0, 0.0, products)
        coefficients(TERMS.row, TERMS.structure, TERMS.propagator, TERMS.value, products, c)
        u, v = np.zeros((2, 4), complex), np.zeros((2, 4), complex)
        wino_spinors(rows[4], rows[5], M, u, v)
        # two right-handed quarks do not know SU(2), so nothing is left of them
        for chirality in ((0, 0), (0, 1), (1, 0)):
            structures = np.zeros((2, 2, 7), complex)
            lorentz_structures(rows, M, anti, chirality, (u, v), True, structures)
            own = (TERMS.chiralities == chirality).all(axis=1)
            amplitude = np.einsum("ni,sri->nsr", c[own], structures)
            size = np.einsum("ni,sri->nsr", np.abs(c[own]), np.abs(structures))
            worst = max(worst, float((np.abs(amplitude) / size.max()).max()))
            if chirality == (0, 0):
                # it is the sum that vanishes: without the graphs in which line 1 emits the pair's boson it does not
                part = np.einsum("ni,sri->nsr", c[own][:, :3], structures[:, :, :3])
                rest = min(rest, float(np.abs(part).max() / np.abs(amplitude).max()))
    assert worst < 1e-10
    assert rest > 1e3


def test_charge_conjugation_and_parity():
    """All particles to antiparticles in the mirror: C1+ C1- is its own image, C1+ N2 becomes C1- N2."""
    for p in points(5, seed=2):
        mirrored = p * np.array([1.0, -1.0, -1.0, -1.0])
        here, there = by_process(p), by_process(mirrored[[0, 1, 2, 3, 5, 4]])
        other = {"qq": "aa", "qa": "aq", "aq": "qa", "aa": "qq"}
        conjugate = {"C1+ N2": "C1- N2", "C1- N2": "C1+ N2", "C1+ C1+": "C1- C1-", "C1- C1-": "C1+ C1+"}
        for (flavours, state, kind), value in here.items():
            into1, out1, into2, out2 = flavours
            # along the flow an antiquark runs backwards
            key = (out1, into1, out2, into2), conjugate.get(state, state), other[kind]
            assert there[key] == pytest.approx(value, rel=1e-9)


def test_exchange_of_the_beams():
    for p in points(5, seed=3):
        here, there = by_process(p), by_process(p[[1, 0, 3, 2, 4, 5]])
        for (flavours, state, kind), value in here.items():
            key = (*flavours[2:], *flavours[:2]), state, {"qa": "aq", "aq": "qa"}.get(kind, kind)
            assert there[key] == pytest.approx(value, rel=1e-9)


def test_equal_winos_are_alike():
    for p in points(5, seed=4):
        here, there = by_process(p), by_process(p[[0, 1, 2, 3, 5, 4]])
        for key, value in here.items():
            if key[1] in ("N2 N2", "C1+ C1+", "C1- C1-"):
                assert there[key] == pytest.approx(value, rel=1e-9)


def test_against_feynman_rules_of_the_unbroken_symmetry():
    """SU(2) x U(1) with real gauge fields and matrices of Dirac's representation: no line of it from massgap."""
    for p in points(2, seed=6):
        assert reference(p, "qq", by_process(p, (0.0, 0.0))) < 1e-9
        assert reference(p, "aq", by_process(p, (0.0, 0.0))) < 1e-9


# The same process once more: three lines with open Dirac indices, contracted with sums over spins.

ONE, ZERO = np.eye(2), np.zeros((2, 2))
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
GAMMA = np.array([np.block([[ONE, ZERO], [ZERO, -ONE]]), *(np.block([[ZERO, s], [-s, ZERO]]) for s in PAULI)])
GAMMA_5 = 1j * GAMMA[0] @ GAMMA[1] @ GAMMA[2] @ GAMMA[3]
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
LOWER = np.einsum("m,mab->mab", np.diag(METRIC), GAMMA)
EPSILON = np.zeros((4, 4, 4))
for _i, _j, _k in itertools.permutations(range(3)):
    EPSILON[_i, _j, _k] = np.sign((_j - _i) * (_k - _j) * (_k - _i))


def slash(p):
    return np.einsum("m,mab->ab", np.asarray(p), LOWER)


def square(p):
    return p[0] ** 2 - (p[1:] ** 2).sum()


def reference(p, kind, mine):
    """Largest relative difference of squared amplitudes with massless bosons, over flavours and pairs.

    Incoming momenta along the flow: those of an antiquark are minus the physical ones, which is all that crossing does.
    """
    sin2 = 1 - MODEL.cos_w**2
    g, hyper = MODEL.g, MODEL.e / MODEL.cos_w
    left, right = 0.5 * (np.eye(4) - GAMMA_5), 0.5 * (np.eye(4) + GAMMA_5)
    assert math.isclose(sin2, (MODEL.e / g) ** 2)
    # couplings of quarks: matrices in flavour for each boson and chirality
    on_left = np.array([*(g * PAULI / 2), hyper / 6 * ONE])
    on_right = np.array([*(0 * PAULI), hyper * np.diag([2 / 3, -1 / 3])])
    # winos: the adjoint, with C+- = (1 -+ 2 i) / sqrt 2
    adjoint = -1j * g * EPSILON[:3, :3, :3]
    charged = {
        1: np.array([1, 1j, 0]) / math.sqrt(2),
        0: np.array([0, 0, 1]),
        -1: np.array([1, -1j, 0]) / math.sqrt(2),
    }
    q1, q2, k1, k2 = p[0] - p[2], p[1] - p[3], p[4], p[5]
    t1, t2, s3 = square(q1), square(q2), square(k1 + k2)
    flow = {"qq": (p[0], p[2], p[1], p[3]), "aq": (-p[2], -p[0], p[1], p[3])}[kind]
    into1, out1, into2, out2 = flow

    def propagator(momentum, mass):
        return (slash(momentum) + mass * np.eye(4)) / (square(momentum) - mass**2)

    after1, after2 = propagator(k1 - q1, M), propagator(k1 - q2, M)
    lines = np.einsum("mn,mab,ncd->mnabcd", np.ones((4, 4)), GAMMA, GAMMA)
    near1 = np.einsum("mab,bc,ncd->mnad", LOWER, after1, LOWER)
    near2 = np.einsum("nab,bc,mcd->mnad", LOWER, after2, LOWER)
    a1 = np.einsum("mnabcd,mnef->abcdef", lines, near1, optimize=True) / (t1 * t2)
    a2 = np.einsum("mnabcd,mnef->abcdef", lines, near2, optimize=True) / (t1 * t2)
    k3 = -(k1 + k2)
    lower = np.diag(METRIC)
    vertex = (
        np.einsum("mn,r->mnr", METRIC, lower * (q1 - q2))
        + np.einsum("nr,m->mnr", METRIC, lower * (q2 - k3))
        + np.einsum("rm,n->mnr", METRIC, lower * (k3 - q1))
    )
    b = np.einsum("mnabcd,mnr,ref->abcdef", lines, vertex, GAMMA, optimize=True) / (t1 * t2 * s3)
    emitted = []
    for into, out, q in ((into1, out1, q2), (into2, out2, q1)):
        last = np.einsum("rab,bc,ncd->rnad", GAMMA, propagator(into + q, 0.0), LOWER)
        first = np.einsum("nab,bc,rcd->rnad", LOWER, propagator(out - q, 0.0), GAMMA)
        emitted.append((last, first))
    c1 = [np.einsum("rnab,ncd,ref->abcdef", x, GAMMA, LOWER, optimize=True) / (t2 * s3) for x in emitted[0]]
    c2 = [np.einsum("rncd,nab,ref->abcdef", x, GAMMA, LOWER, optimize=True) / (t1 * s3) for x in emitted[1]]

    worst = 0.0
    first, last = (p[0], p[2]) if kind == "qq" else (p[2], p[0])
    spins = [
        _outgoing(last),
        _incoming(first),
        _outgoing(p[3]),
        _incoming(p[1]),
        _outgoing(k1, M),
        _incoming(k2, -M),
    ]
    for flavours, state, own in mine:
        if own != kind:
            continue
        i1, o1, i2, o2 = flavours
        pair = next(one for one in FINAL_STATES if one.name == state)
        bra, ket = charged[pair.out].conj(), charged[pair.into]
        total = 0.0
        for (left1, project1), (left2, project2) in itertools.product(
            ((on_left, left), (on_right, right)), repeat=2
        ):
            graph = np.zeros((4,) * 6, complex)
            one, two = left1[:, o1, i1], left2[:, o2, i2]
            for x, y in itertools.product(range(3), repeat=2):
                both = one[x] * two[y]
                # every boson makes a factor -i, every vertex of fermions i, every fermion i: overall -i but for the triple vertex
                graph += -1j * both * (bra @ adjoint[x] @ adjoint[y] @ ket) * a1
                graph += -1j * both * (bra @ adjoint[y] @ adjoint[x] @ ket) * a2
                for z in range(3):
                    graph += both * g * EPSILON[x, y, z] * (bra @ adjoint[z] @ ket) * b
            for z, y in itertools.product(range(3), range(4)):
                made = -1j * (bra @ adjoint[z] @ ket)
                graph += (
                    made
                    * two[y]
                    * ((left1[z] @ left1[y])[o1, i1] * c1[0] + (left1[y] @ left1[z])[o1, i1] * c1[1])
                )
                graph += (
                    made
                    * one[y]
                    * ((left2[z] @ left2[y])[o2, i2] * c2[0] + (left2[y] @ left2[z])[o2, i2] * c2[1])
                )
            # a massless line keeps its chirality: projected where it begins
            projected = np.einsum("abcdef,bx,dy->axcyef", graph, project1, project2, optimize=True)
            moved = projected
            for axis, spin in enumerate(spins):
                moved = np.moveaxis(np.tensordot(moved, spin, axes=(axis, 0)), -1, axis)
            total += float(np.vdot(projected, moved).real)
        worst = max(worst, abs(total / mine[flavours, state, kind] - 1))
    return worst


def _incoming(p, mass=0.0):
    """Sum over spins of u_b u_b'^*, or of v for a negative mass; index of the conjugate second."""
    return (slash(p) + mass * np.eye(4)) @ GAMMA[0]


def _outgoing(p, mass=0.0):
    """The same of u-bar_a."""
    return (GAMMA[0] @ _incoming(p, mass) @ GAMMA[0]).T
