"""Decays through W* and Z*: closed forms, and Pythia's events with their weights."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from massgap.samples.errors import GenerationError
from massgap.samples.physics import offshell
from massgap.samples.physics.electroweakino_spectra import electroweakino_settings, electroweakino_slha
from massgap.samples.record import from_batch


def mll_density(mll, m2, m1, sign=1):
    """Density (not normalised) of the mass of massless leptons in N2 -> N1 l l: the element's mean over directions."""
    q2 = np.asarray(mll, dtype=np.float64) ** 2
    inside = (q2 > 0) & (q2 < (m2 - m1) ** 2)
    pq, p1q, pp1 = (m2**2 + q2 - m1**2) / 2, (m2**2 - m1**2 - q2) / 2, (m2**2 + m1**2 - q2) / 2
    element = 2 * pq * p1q + q2 * (pp1 - 3 * offshell.current(offshell.N2, sign) * m2 * m1)
    momentum = offshell.kallen(m2**2, m1**2, q2)
    return np.where(inside, np.sqrt(q2) * momentum * element * offshell.propagator(q2, 23), 0.0)


def generate(slha, lines, n, tmp_path):
    pythia8mc = pytest.importorskip("pythia8mc")
    spectrum = tmp_path / "spectrum.slha"
    spectrum.write_text(slha)
    pythia = pythia8mc.Pythia("", False)
    common = (
        "Print:quiet = on",
        "SLHA:verbose = 0",
        "Random:setSeed = on",
        "Random:seed = 7",
        "Beams:eCM = 13600.",
    )
    fast = (
        "PartonLevel:MPI = off",
        "HadronLevel:all = off",
        "PartonLevel:ISR = off",
        "PartonLevel:FSR = off",
    )
    for line in (*common, *fast, *lines, f"SLHA:file = {spectrum}"):
        assert pythia.readString(line), line
    assert pythia.init()
    batch = pythia.nextBatch(n, errorMode="skip")
    assert len(batch) > 0.99 * n
    return from_batch(batch, {}, pythia.particleData.charge)


def lepton_pair_masses(record):
    """Mass of the electrons or muons from N2 (nan without), per event."""
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    rows = np.flatnonzero(np.isin(np.abs(record.pdg), (11, 13)) & np.isin(parent, (23, 1000023)))
    total = np.zeros((record.n_events, 4))
    for k, name in enumerate(("energy", "px", "py", "pz")):
        np.add.at(total[:, k], record.event[rows], getattr(record, name)[rows])
    mass2 = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1)
    return np.where(total[:, 0] > 0, np.sqrt(np.maximum(mass2, 0.0)), np.nan)


def only_leptons(slha):
    """Replace the decays of N2 below the boson threshold by electrons, muons and neutrinos."""
    lines = slha.splitlines()
    start = lines.index("DECAY 1000023 1.0e-05") + 1
    stop = next(i for i in range(start, len(lines)) if lines[i].startswith("DECAY"))
    return "\n".join([*lines[:start], " 0.5 3 1000022 11 -11", " 0.5 3 1000022 13 -13", *lines[stop:], ""])


@pytest.mark.parametrize(("m", "dm"), [(200.0, 20.0), (300.0, 30.0), (300.0, 75.0)], ids=["20", "30", "75"])
@pytest.mark.parametrize("sign", [1, -1])
def test_lepton_mass_has_the_analytic_shape(m, dm, sign, tmp_path):
    slha, lines = electroweakino_slha(m, dm, sign=sign), electroweakino_settings(m, dm, "N2C1")
    if dm < offshell.TWO_BODY_FROM:
        slha = only_leptons(slha)
    else:
        lines = (*lines, "23:onMode = off", "23:onIfAny = 11 13")
    record = generate(slha, lines, 2000, tmp_path)
    weights = offshell.offshell_weights(record, sign)
    mll = lepton_pair_masses(record)
    assert not np.isnan(mll).any()
    assert mll.max() < dm + 0.01
    edges = np.linspace(0.0, dm, 9)
    found = np.histogram(mll, edges, weights=weights)[0]
    error = np.sqrt(np.histogram(mll, edges, weights=weights**2)[0])
    fine = (np.arange(8000) + 0.5) * dm / 8000
    expected = np.histogram(fine, edges, weights=mll_density(fine, m, m - dm, sign))[0]
    expected *= found.sum() / expected.sum()
    # the first bins of a boson of reduced mass hold next to nothing
    filled = expected > 0.01 * expected.sum()
    chi2 = (((found - expected) / np.maximum(error, 1e-9))[filled] ** 2).sum()
    assert chi2 < 30


@pytest.mark.parametrize(("m", "dm"), [(100.0, 0.5), (1100.0, 3.0), (200.0, 30.0), (400.0, 110.0)])
@pytest.mark.parametrize("channel", ["N2C1", "C1C1"])
def test_weights_keep_the_rate(m, dm, channel, tmp_path):
    record = generate(electroweakino_slha(m, dm), electroweakino_settings(m, dm, channel), 1000, tmp_path)
    for sign in (1, -1):
        weights = offshell.offshell_weights(record, sign)
        assert weights.shape == (record.n_events,)
        assert np.isfinite(weights).all()
        assert weights.min() >= 0
        # masses of quarks in decays of a boson are left to Pythia: within 3 %
        assert abs(weights.mean() - 1) < 0.03 + 4 * weights.std() / math.sqrt(len(weights))


def test_density_for_a_small_gap():
    """(dm^2 + 2 q^2) and (dm^2 - q^2) times q |q|, without recoil and propagator."""
    m, dm = 1.0e4, 2.0
    q = np.linspace(0.1, 1.9, 7)
    for sign, factor in ((1, dm**2 + 2 * q**2), (-1, dm**2 - q**2)):
        density = mll_density(q, m, m - dm, sign)
        simple = q * np.sqrt(dm**2 - q**2) * factor
        assert_allclose(density / density[0], simple / simple[0], rtol=2e-3)
    assert mll_density(np.array([dm * 1.001]), m, m - dm)[0] == 0


def test_matrix_element_from_traces():
    """Against explicit Dirac matrices for random momenta."""
    rng = np.random.default_rng(1)
    one, sigma = np.eye(2), np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    gamma = [np.kron(np.diag([1, -1]), one).astype(complex)]
    gamma += [np.kron(np.array([[0, 1], [-1, 0]]), s) for s in sigma]
    gamma5 = 1j * gamma[0] @ gamma[1] @ gamma[2] @ gamma[3]
    metric = np.diag([1.0, -1, -1, -1])

    def slash(p):
        return sum(metric[i, i] * p[i] * gamma[i] for i in range(4))

    def dot(a, b):
        return a @ metric @ b

    ratios = []
    for _ in range(5):
        m2, m1 = 3.0, 2.0
        p1, k, kl = (np.array([0.0, *rng.normal(size=3)]) for _ in range(3))
        p1[0], k[0], kl[0] = np.sqrt(m1**2 + p1[1:] @ p1[1:]), np.linalg.norm(k[1:]), np.linalg.norm(kl[1:])
        p = np.array([0.0, *rng.normal(size=3)])
        p[0] = np.sqrt(m2**2 + p[1:] @ p[1:])
        for eta, vertex in ((1.0, np.eye(4)), (-1.0, gamma5)):
            total = 0.0
            for mu in range(4):
                for nu in range(4):
                    sign = metric[mu, mu] * metric[nu, nu]
                    # conjugate vertex: gamma_nu (1 or gamma5) in the same order
                    heavy = np.trace(
                        (slash(p1) + m1 * np.eye(4))
                        @ gamma[mu]
                        @ vertex
                        @ (slash(p) + m2 * np.eye(4))
                        @ gamma[nu]
                        @ vertex
                    )
                    light = np.trace(slash(k) @ gamma[mu] @ slash(kl) @ gamma[nu])
                    total += sign * (heavy * light).real
            own = offshell.element(
                dot(p, k), dot(p, kl), dot(p1, k), dot(p1, kl), dot(k, kl), (m2, m1, 0, 0), eta
            )
            ratios.append(float(own) / abs(total))
    assert_allclose(ratios, ratios[0], rtol=1e-9)


def test_rate_against_adaptive_integration():
    """The fermions' angle integrated in closed form, q^2 by another quadrature; massless fermions."""
    from scipy.integrate import quad

    m2, m1 = 200.0, 160.0
    for sign in (1, -1):
        # d(q^2) = 2 m dm; the mean of the element over angles is a third of that in mll_density
        def density(x, sign=sign):
            return 2 * float(mll_density(np.array([x]), m2, m1, sign)[0]) / 3

        expected = quad(density, 0, 40)[0]
        eta = offshell.current(offshell.N2, sign)
        assert offshell.rate((m2, m1, 0.0, 0.0), eta, 23) == pytest.approx(expected, rel=1e-6)


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="sign"):
        offshell.current(offshell.N2, 0)
    three = SimpleNamespace(
        n_events=1,
        event=np.zeros(5, dtype=int),
        pdg=np.array([1000023, 1000022, 11, -11, 13]),
        mother=np.array([-1, 0, 0, 0, 0]),
    )
    with pytest.raises(GenerationError, match="model WZ"):
        offshell.offshell_weights(three)
