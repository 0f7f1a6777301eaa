r"""Squared amplitudes of q qbar -> two leptons, a photon and two neutrinos, or none: all diagrams of three final states.

Momenta are p1 (quark, in), p2 (antiquark, in), a, b (first pair), c, d (second pair), k (photon), as (E, x, y, z).

* ``charged``: (a, b) = (neutrino, positive lepton) and (c, d) = (negative lepton, antineutrino) of different families: W pairs and
  whatever else leads there;
* ``neutral``: (a, b) = (negative, positive lepton) and (c, d) = (neutrino, antineutrino) of another family: pairs of Z or virtual photons;
* ``pair``: (a, b) = (negative, positive lepton) alone.

Where leptons and neutrinos are of one family, both of the first exist; they hardly interfere (both Ws and both Zs would have to be
on their mass shells), and that is neglected.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from massgap.arrays.compiled import compiled
from massgap.physical_constants import W_MASS, W_WIDTH, Z_MASS, Z_WIDTH
from massgap.samples.matrix_elements.photon.lines import (
    bra_with,
    from_photon_and_w,
    from_photon_and_w_pair,
    from_w_pair,
    ket_with,
    mixed,
    plus,
    propagated,
    row_current,
    row_slash,
    scaled,
)
from massgap.samples.matrix_elements.spinors import massless

__all__ = ["Couplings", "charged_pairs", "lepton_pair", "neutral_pairs", "polarisation", "standard_couplings"]

_FERMI = 1.16637e-5
_ALPHA = 1.0 / 137.036


class Couplings(NamedTuple):
    """Complex squared masses (GeV^2), cosine and sine of the mixing angle, e^2 of the bosons and of the photon."""

    w2: complex
    z2: complex
    cos: complex
    sin: complex
    e2: float
    photon_e2: float


def standard_couplings() -> Couplings:
    """Complex-mass scheme: the Fermi constant gives e^2 of the bosons; a real photon couples by alpha at zero momentum.

    Examples
    --------
    >>> round(4.0 * math.pi / standard_couplings().e2, 1)
    132.2
    """
    w2, z2 = W_MASS**2 - 1j * W_MASS * W_WIDTH, Z_MASS**2 - 1j * Z_MASS * Z_WIDTH
    cos2 = w2 / z2
    e2 = 4.0 * math.sqrt(2.0) * _FERMI * W_MASS**2 * (1.0 - (W_MASS / Z_MASS) ** 2)
    return Couplings(w2, z2, cos2**0.5, (1.0 - cos2) ** 0.5, e2, 4.0 * math.pi * _ALPHA)


@compiled
def of_z(charge: float, isospin: float, right: bool, m: Couplings) -> complex:
    """Coupling of a fermion to the Z."""
    if right:
        return -m.sin / m.cos * charge
    return (isospin - m.sin * m.sin * charge) / (m.sin * m.cos)


@compiled
def polarisation(k: Any, second: bool) -> Any:
    """One of two real polarisations of a photon."""
    pt = math.hypot(k[1], k[2])
    if second:
        return (0.0j, complex(-k[2] / pt), complex(k[1] / pt), 0.0j)
    along, norm = k[3] / (pt * k[0]), pt / k[0]
    return (0.0j, complex(along * k[1]), complex(along * k[2]), complex(-norm))


@compiled
def _complex(p: Any, i: int) -> Any:
    return (complex(p[i, 0]), complex(p[i, 1]), complex(p[i, 2]), complex(p[i, 3]))


@compiled
def _outgoing(p: Any) -> Any:
    """Momenta a, b, c, d and k, complex."""
    return _complex(p, 2), _complex(p, 3), _complex(p, 4), _complex(p, 5), _complex(p, 6)


@compiled
def _ends(p: Any, i: int, right: bool, row: bool) -> Any:
    spinor = massless((p[i, 0], p[i, 1], p[i, 2], p[i, 3]), right)
    if row:
        return (spinor[0].conjugate(), spinor[1].conjugate())
    return spinor


@compiled
def _added(a: Any, b: Any) -> Any:
    return (a[0] + b[0], a[1] + b[1])


@compiled
def _vertex(row: Any, v: Any, ket: Any, right: bool) -> Any:
    """Row V-slash ket."""
    left = row_slash(row, v, not right)
    return left[0] * ket[0] + left[1] * ket[1]


@compiled
def _charged_bosons(p: Any, eps: Any, m: Couplings) -> Any:
    """Currents of the W of both pairs without and with the photon, and of photon and Z of all four leptons without and with it."""
    g = 1.0 / (math.sqrt(2.0) * m.sin)
    pa, pb, pc, pd, k = _outgoing(p)
    a, b, c, d = (
        _ends(p, 2, False, True),
        _ends(p, 3, False, False),
        _ends(p, 4, False, True),
        _ends(p, 5, False, False),
    )
    ab, cd = plus(pa, pb), plus(pc, pd)
    abg, cdg = plus(ab, k), plus(cd, k)
    w = propagated(scaled(g, row_current(a, b, False)), ab, m.w2)
    v = propagated(scaled(g, row_current(c, d, False)), cd, m.w2)
    bg = ket_with(b, eps, scaled(-1.0, plus(pb, k)), False)
    cg = bra_with(c, eps, plus(pc, k), False)
    wg = propagated(mixed(g, row_current(a, bg, False), 1.0, from_photon_and_w(eps, k, w, ab)), abg, m.w2)
    vg = propagated(mixed(g, row_current(cg, d, False), -1.0, from_photon_and_w(eps, k, v, cd)), cdg, m.w2)

    gw, gv, gwg, gvg = scaled(g, w), scaled(g, v), scaled(g, wg), scaled(g, vg)
    a_v = bra_with(a, gv, plus(pa, cd), False)
    b_v = ket_with(b, gv, scaled(-1.0, plus(pb, cd)), False)
    c_w = bra_with(c, gw, plus(pc, ab), False)
    d_w = ket_with(d, gw, scaled(-1.0, plus(pd, ab)), False)
    leptons = plus(row_current(a_v, b, False), row_current(c, d_w, False))
    neutrinos = plus(row_current(a, b_v, False), row_current(c_w, d, False))
    three = from_w_pair(w, ab, v, cd)

    q = plus(pa, cdg)
    a_vg = _added(bra_with(a, gvg, q, False), bra_with(a_v, eps, q, False))
    q = scaled(-1.0, plus(pb, cdg))
    b_vg = _added(ket_with(b, gvg, q, False), ket_with(bg, gv, q, False))
    q = plus(pc, abg)
    c_wg = _added(bra_with(c, gwg, q, False), bra_with(cg, gw, q, False))
    q = scaled(-1.0, plus(pd, abg))
    d_wg = _added(ket_with(d, gwg, q, False), ket_with(d_w, eps, q, False))
    leptons_g = plus(
        plus(row_current(a_vg, b, False), row_current(a_v, bg, False)),
        plus(row_current(c, d_wg, False), row_current(cg, d_w, False)),
    )
    neutrinos_g = plus(row_current(a, b_vg, False), row_current(c_wg, d, False))
    three_g = plus(from_w_pair(wg, abg, v, cd), from_w_pair(w, ab, vg, cdg))
    four = from_photon_and_w_pair(eps, w, v)

    zl, zn, ratio = of_z(-1.0, -0.5, False, m), of_z(0.0, 0.5, False, m), m.cos / m.sin
    abcd, abcdg = plus(ab, cd), plus(abg, cd)
    photon = propagated(plus(leptons, three), abcd, 0.0j)
    z = propagated(mixed(1.0, mixed(zl, leptons, zn, neutrinos), -ratio, three), abcd, m.z2)
    photon_g = propagated(mixed(1.0, plus(leptons_g, three_g), -1.0, four), abcdg, 0.0j)
    summed = mixed(zl, leptons_g, zn, neutrinos_g)
    z_g = propagated(mixed(1.0, summed, -ratio, mixed(1.0, three_g, -1.0, four)), abcdg, m.z2)
    return gw, gv, gwg, gvg, photon, z, photon_g, z_g


@compiled
def charged_pairs(p: Any, up: bool, m: Couplings) -> float:
    """Squared amplitude of the charged final state, averaged over spins and colours of the quarks.

    Parameters
    ----------
    p
        Momenta, shape (7, 4), GeV.
    up
        Whether the quark is of the up type.
    m
        Couplings.
    """
    charge, isospin = (2.0 / 3.0, 0.5) if up else (-1.0 / 3.0, -0.5)
    other = charge - 1.0 if up else charge + 1.0
    p1, k = _complex(p, 0), _complex(p, 6)
    ab, cd = plus(_complex(p, 2), _complex(p, 3)), plus(_complex(p, 4), _complex(p, 5))
    # the quark emits first what its charge allows
    first = ab if up else cd
    total = 0.0
    for way in range(2):
        eps = polarisation((p[6, 0], p[6, 1], p[6, 2], p[6, 3]), way == 1)
        gw, gv, gwg, gvg, photon, z, photon_g, z_g = _charged_bosons(p, eps, m)
        one, two, one_g, two_g = (gw, gv, gwg, gvg) if up else (gv, gw, gvg, gwg)
        for right in (False, True):
            zq = of_z(charge, isospin, right, m)
            ket, row = _ends(p, 0, right, False), _ends(p, 1, right, True)
            both, both_g = mixed(-charge, photon, zq, z), mixed(-charge, photon_g, zq, z_g)
            q = mixed(1.0, p1, -1.0, k)
            with_g = ket_with(ket, scaled(-charge, eps), q, right)
            q = mixed(1.0, p1, -1.0, plus(ab, cd))
            with_both = ket_with(ket, both, q, right)
            amplitude = _vertex(row, both_g, ket, right) + _vertex(row, both, with_g, right)
            if not right:
                q1 = mixed(1.0, p1, -1.0, first)
                with_one = ket_with(ket, one, q1, False)
                with_both = _added(with_both, ket_with(with_one, two, q, False))
                q1 = mixed(1.0, q1, -1.0, k)
                with_one_g = _added(ket_with(ket, one_g, q1, False), ket_with(with_g, one, q1, False))
                with_one_g = _added(with_one_g, ket_with(with_one, scaled(-other, eps), q1, False))
                amplitude += _vertex(row, two, with_one_g, False) + _vertex(row, two_g, with_one, False)
            amplitude += _vertex(row, scaled(-charge, eps), with_both, right)
            total += amplitude.real**2 + amplitude.imag**2
    return total * m.e2**4 * m.photon_e2 / 12.0


@compiled
def _pair_currents(
    a: Any, b: Any, ag: Any, bg: Any, ab: Any, abg: Any, z: complex, right: bool, m: Couplings
) -> Any:
    """Photon and Z of a pair of leptons, without and with the photon."""
    bare = row_current(a, b, right)
    lit = plus(row_current(ag, b, right), row_current(a, bg, right))
    return (
        propagated(bare, ab, 0.0j),
        propagated(scaled(z, bare), ab, m.z2),
        propagated(lit, abg, 0.0j),
        propagated(scaled(z, lit), abg, m.z2),
    )


@compiled
def lepton_pair(p: Any, up: bool, m: Couplings) -> Any:
    """Squared amplitudes of a pair of leptons alone, averaged over quarks: of left-handed, of right-handed negative leptons.

    Parameters
    ----------
    p, up, m
        As for :func:`charged_pairs`; of the momenta c and d are not used.
    """
    charge, isospin = (2.0 / 3.0, 0.5) if up else (-1.0 / 3.0, -0.5)
    p1, pa, pb, k = _complex(p, 0), _complex(p, 2), _complex(p, 3), _complex(p, 6)
    ab = plus(pa, pb)
    abg = plus(ab, k)
    left, right_handed = 0.0, 0.0
    for way in range(2):
        eps = polarisation((p[6, 0], p[6, 1], p[6, 2], p[6, 3]), way == 1)
        for h in (False, True):
            z = of_z(-1.0, -0.5, h, m)
            a, b = _ends(p, 2, h, True), _ends(p, 3, h, False)
            ag, bg = bra_with(a, eps, plus(pa, k), h), ket_with(b, eps, scaled(-1.0, plus(pb, k)), h)
            photon, zed, photon_g, zed_g = _pair_currents(a, b, ag, bg, ab, abg, z, h, m)
            for right in (False, True):
                zq = of_z(charge, isospin, right, m)
                ket, row = _ends(p, 0, right, False), _ends(p, 1, right, True)
                one, one_g = mixed(-charge, photon, zq, zed), mixed(-charge, photon_g, zq, zed_g)
                with_g = ket_with(ket, scaled(-charge, eps), mixed(1.0, p1, -1.0, k), right)
                with_one = ket_with(ket, one, mixed(1.0, p1, -1.0, ab), right)
                amplitude = _vertex(row, one_g, ket, right) + _vertex(row, one, with_g, right)
                amplitude += _vertex(row, scaled(-charge, eps), with_one, right)
                square = amplitude.real**2 + amplitude.imag**2
                if h:
                    right_handed += square
                else:
                    left += square
    factor = m.e2**2 * m.photon_e2 / 12.0
    return factor * left, factor * right_handed


@compiled
def _neutral_bosons(p: Any, eps: Any, h: bool, m: Couplings) -> Any:
    """Photon and Z of the leptons, Z of the neutrinos, and photon and Z of all four, without and with the photon."""
    pa, pb, pc, pd, k = _outgoing(p)
    a, b, c, d = (
        _ends(p, 2, h, True),
        _ends(p, 3, h, False),
        _ends(p, 4, False, True),
        _ends(p, 5, False, False),
    )
    ab, cd = plus(pa, pb), plus(pc, pd)
    abg, cdg = plus(ab, k), plus(cd, k)
    z, zn = of_z(-1.0, -0.5, h, m), of_z(0.0, 0.5, False, m)
    ag, bg = bra_with(a, eps, plus(pa, k), h), ket_with(b, eps, scaled(-1.0, plus(pb, k)), h)
    photon, zed, photon_g, zed_g = _pair_currents(a, b, ag, bg, ab, abg, z, h, m)
    dark = propagated(scaled(zn, row_current(c, d, False)), cd, m.z2)

    on = scaled(z, dark)
    a_v = bra_with(a, on, plus(pa, cd), h)
    b_v = ket_with(b, on, scaled(-1.0, plus(pb, cd)), h)
    lit = plus(row_current(a_v, b, h), row_current(a, b_v, h))
    q = plus(pa, cdg)
    a_vg = _added(bra_with(a_v, eps, q, h), bra_with(ag, on, q, h))
    q = scaled(-1.0, plus(pb, cdg))
    b_vg = _added(ket_with(b_v, eps, q, h), ket_with(bg, on, q, h))
    lit_g = plus(
        plus(row_current(a_vg, b, h), row_current(a_v, bg, h)),
        plus(row_current(ag, b_v, h), row_current(a, b_vg, h)),
    )

    on, on_g = scaled(zn, zed), scaled(zn, zed_g)
    c_w, d_w = bra_with(c, on, plus(pc, ab), False), ket_with(d, on, scaled(-1.0, plus(pd, ab)), False)
    unlit = plus(row_current(c_w, d, False), row_current(c, d_w, False))
    c_wg, d_wg = (
        bra_with(c, on_g, plus(pc, abg), False),
        ket_with(d, on_g, scaled(-1.0, plus(pd, abg)), False),
    )
    unlit_g = plus(row_current(c_wg, d, False), row_current(c, d_wg, False))

    abcd, abcdg = plus(ab, cd), plus(abg, cd)
    four = propagated(lit, abcd, 0.0j), propagated(mixed(z, lit, zn, unlit), abcd, m.z2)
    five = propagated(lit_g, abcdg, 0.0j), propagated(mixed(z, lit_g, zn, unlit_g), abcdg, m.z2)
    return photon, zed, photon_g, zed_g, dark, four[0], four[1], five[0], five[1]


@compiled
def neutral_pairs(p: Any, up: bool, m: Couplings) -> float:
    """Squared amplitude of the neutral final state with neutrinos of one family, averaged over spins and colours of the quarks.

    Parameters
    ----------
    p, up, m
        As for :func:`charged_pairs`.
    """
    charge, isospin = (2.0 / 3.0, 0.5) if up else (-1.0 / 3.0, -0.5)
    p1, k = _complex(p, 0), _complex(p, 6)
    ab, cd = plus(_complex(p, 2), _complex(p, 3)), plus(_complex(p, 4), _complex(p, 5))
    total = 0.0
    for way in range(2):
        eps = polarisation((p[6, 0], p[6, 1], p[6, 2], p[6, 3]), way == 1)
        for h in (False, True):
            photon, zed, photon_g, zed_g, dark, photon4, zed4, photon5, zed5 = _neutral_bosons(p, eps, h, m)
            for right in (False, True):
                zq = of_z(charge, isospin, right, m)
                ket, row, lit = _ends(p, 0, right, False), _ends(p, 1, right, True), scaled(-charge, eps)
                one, one_g = mixed(-charge, photon, zq, zed), mixed(-charge, photon_g, zq, zed_g)
                two, both, both_g = (
                    scaled(zq, dark),
                    mixed(-charge, photon4, zq, zed4),
                    mixed(-charge, photon5, zq, zed5),
                )
                with_g = ket_with(ket, lit, mixed(1.0, p1, -1.0, k), right)
                with_one = ket_with(ket, one, mixed(1.0, p1, -1.0, ab), right)
                with_two = ket_with(ket, two, mixed(1.0, p1, -1.0, cd), right)
                q = mixed(1.0, p1, -1.0, plus(ab, k))
                with_one_g = _added(ket_with(ket, one_g, q, right), ket_with(with_g, one, q, right))
                with_one_g = _added(with_one_g, ket_with(with_one, lit, q, right))
                q = mixed(1.0, p1, -1.0, plus(cd, k))
                with_two_g = _added(ket_with(with_g, two, q, right), ket_with(with_two, lit, q, right))
                q = mixed(1.0, p1, -1.0, plus(ab, cd))
                with_both = _added(ket_with(ket, both, q, right), ket_with(with_one, two, q, right))
                with_both = _added(with_both, ket_with(with_two, one, q, right))
                amplitude = _vertex(row, both_g, ket, right) + _vertex(row, both, with_g, right)
                amplitude += _vertex(row, two, with_one_g, right) + _vertex(row, one, with_two_g, right)
                amplitude += _vertex(row, one_g, with_two, right) + _vertex(row, lit, with_both, right)
                total += amplitude.real**2 + amplitude.imag**2
    return total * m.e2**4 * m.photon_e2 / 12.0
