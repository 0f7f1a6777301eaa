"""Leading-order cross sections against published values and an independent integration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from massgap.samples.errors import GenerationError
from massgap.samples.physics import cross_sections as xsec

pytest.importorskip("pythia8mc")

# of an independent leading-order integral with the same parton densities, 13 TeV, fb
_SMUONS = {
    "left": {110: 147.0, 160: 37.5, 200: 16.2, 500: 0.332, 600: 0.135},
    "right": {110: 59.5, 160: 15.5, 200: 6.75, 500: 0.141, 600: 0.0576},
}


@pytest.mark.parametrize("chirality", ["left", "right"])
def test_smuons_at_13_tev(chirality):
    for mass, expected in _SMUONS[chirality].items():
        assert xsec.smuon_pair_xsec_fb(mass, chirality) == pytest.approx(expected, rel=0.01)


def test_smuons_against_madgraph():
    """MadGraph 3.5: 15.63(2) fb left at 202.9, 23.15(6) fb right at 144.1 GeV."""
    assert xsec.smuon_pair_xsec_fb(202.9, "left") == pytest.approx(15.63, rel=0.03)
    assert xsec.smuon_pair_xsec_fb(144.1, "right") == pytest.approx(23.15, rel=0.03)


@pytest.mark.parametrize(
    ("mass", "channel", "nlo"),
    [(200, "N2C1", 1807.0), (200, "C1C1", 902.0), (400, "N2C1", 121.0), (400, "C1C1", 59.0)],
)
def test_winos_are_below_the_resummed_values_as_leading_order_is(mass, channel, nlo):
    assert 1.15 < nlo / xsec.wino_pair_xsec_fb(mass, channel) < 1.45


def test_winos_against_adaptive_integration_of_helicity_amplitudes():
    """pp -> W -> N2 C1+ at 13.6 TeV from amplitudes differential in the angle, another quadrature, other variables."""
    from scipy.integrate import quad

    mass, sqrt_s = 250.0, 13600.0
    xf = xsec.parton_density()
    g2 = 4 * math.pi / 128.0 / 0.2312
    mixing = {(2, 1): 0.9496, (2, 3): 0.0504, (4, 1): 0.0504, (4, 3): 0.9496}

    def partonic(s):
        beta = math.sqrt(1 - 4 * mass**2 / s)
        # a vector current from left-handed quarks: (1 + cos)^2 + (1 - cos)^2 for the helicities that a massless
        # fermion has, 4 m^2 / s sin^2 for each of the two others
        angle = quad(lambda c: (1 + c) ** 2 + (1 - c) ** 2 + 2 * 4 * mass**2 / s * (1 - c * c), -1, 1)[0]
        coupling = (g2 / math.sqrt(2)) ** 2 / ((s - 80.377**2) ** 2 + (80.377 * 2.085) ** 2)
        # average over 4 spins and 3 colours
        return coupling * s**2 * angle * beta / (32 * math.pi * s) / 12

    def luminosity(s):
        tau = s / sqrt_s**2

        def product(log_x):
            x1 = math.exp(log_x)
            x2 = tau / x1
            return sum(
                v * (xf(u, x1, s) * xf(-d, x2, s) + xf(-d, x1, s) * xf(u, x2, s))
                for (u, d), v in mixing.items()
            )

        nodes, weights = np.polynomial.legendre.leggauss(40)
        low = math.log(tau)
        return 0.5 * -low * sum(w * product(low * 0.5 * (1 - n)) for n, w in zip(nodes, weights, strict=True))

    nodes, weights = np.polynomial.legendre.leggauss(60)
    low, high = 2 * math.log(2 * mass), 2 * math.log(sqrt_s)
    logs = low + (high - low) * (0.5 * (nodes + 1)) ** 3
    jacobian = (high - low) * 1.5 * (0.5 * (nodes + 1)) ** 2 * weights
    total = sum(
        j * partonic(math.exp(v)) * luminosity(math.exp(v)) for v, j in zip(logs, jacobian, strict=True)
    )
    assert xsec.wino_pair_xsec_fb(mass, "N2C1+", 13.6) == pytest.approx(0.3893794e12 * total, rel=2e-3)


def test_charges_add_up_and_the_proton_prefers_plus():
    plus, minus = (xsec.wino_pair_xsec_fb(300, f"N2C1{sign}") for sign in "+-")
    assert xsec.wino_pair_xsec_fb(300, "N2C1") == pytest.approx(plus + minus, rel=1e-12)
    assert 1.5 < plus / minus < 2.5


def test_muon_pairs_in_qed():
    """4 pi alpha^2 / 3 s for light fermions of unit charge: the formula without colour and Z."""
    s = np.array([50.0**2])
    amplitudes = 2 * (4 * math.pi * xsec.ALPHA / s) ** 2
    found = 3 * xsec._fermion_pair(s, 0.1, 0.1, 1.0) * amplitudes
    assert found[0] == pytest.approx(4 * math.pi * xsec.ALPHA**2 / 3 / s[0], rel=1e-4)


def test_vector_and_axial_thresholds():
    """beta (3 - beta^2) / 2 and beta^3 for equal masses."""
    m = 100.0
    s = np.array([201.0, 300.0, 1000.0]) ** 2
    beta = np.sqrt(1 - 4 * m**2 / s)
    light = xsec._fermion_pair(s, 1e-6, 1e-6, 1.0)
    np.testing.assert_allclose(xsec._fermion_pair(s, m, m, 1.0) / light, beta * (3 - beta**2) / 2, rtol=1e-9)
    np.testing.assert_allclose(xsec._fermion_pair(s, m, m, -1.0) / light, beta**3, rtol=1e-9)


def test_nodes_are_enough(monkeypatch):
    points = [
        (xsec.smuon_pair_xsec_fb, (110.0,)),
        (xsec.smuon_pair_xsec_fb, (1000.0,)),
        (xsec.wino_pair_xsec_fb, (1100.0, "N2C1", 13.6)),
        (xsec.higgsino_pair_xsec_fb, (691.0, 600.0)),
    ]
    quick = [function(*args) for function, args in points]
    monkeypatch.setattr(xsec, "_NODES_TAU", 60)
    monkeypatch.setattr(xsec, "_NODES_Y", 60)
    xsec._luminosities.cache_clear()
    try:
        np.testing.assert_allclose(quick, [function(*args) for function, args in points], rtol=2e-5)
    finally:
        xsec._luminosities.cache_clear()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    # slepton pairs lack a factor in the program, by which these numbers replace its own; winos and higgsinos differ by
    # its running couplings and the scale of the densities
    [
        ("left", 0.36, 0.41),
        ("right", 0.42, 0.47),
        ("N2C1", 0.9, 1.15),
        ("C1C1", 0.9, 1.15),
        ("cascade", 0.9, 1.2),
    ],
)
def test_ratio_of_the_generator(name, low, high, tmp_path):
    import pythia8mc

    from massgap.samples.physics import cascade_decays as cascade
    from massgap.samples.physics import electroweakino_spectra, spectra

    if name in ("left", "right"):
        slha, lines, sqrt_s = spectra.smuon_slha(300, 100, name), spectra.smuon_settings(name), 13.0
        own = xsec.smuon_pair_xsec_fb(300, name)
    elif name == "cascade":
        slha, lines, sqrt_s = cascade.cascade_slha((390, 360, 330, 300)), cascade.cascade_settings(), 14.0
        own = xsec.higgsino_pair_xsec_fb(390, 300, 14.0)
    else:
        slha, sqrt_s = electroweakino_spectra.electroweakino_slha(300, 20), 13.6
        lines = electroweakino_spectra.electroweakino_settings(300, 20, name)
        own = xsec.wino_pair_xsec_fb(300, name, 13.6)
    (tmp_path / "spectrum.slha").write_text(slha)
    pythia = pythia8mc.Pythia("", False)
    common = ("Print:quiet = on", "SLHA:verbose = 0", "Random:setSeed = on", "Random:seed = 2")
    where = (
        f"Beams:eCM = {1000 * sqrt_s}",
        f"SLHA:file = {tmp_path / 'spectrum.slha'}",
        "PartonLevel:all = off",
    )
    for line in (*common, *where, *lines):
        assert pythia.readString(line), line
    assert pythia.init()
    for _ in range(4000):
        pythia.next()
    assert low < pythia.infoPython().sigmaGen() * 1e12 / own < high


def test_falls_with_mass_and_rises_with_energy():
    values = [xsec.wino_pair_xsec_fb(m, "C1C1", 13.6) for m in (100, 200, 400, 700, 1100)]
    assert all(a > 2 * b for a, b in itertools.pairwise(values))
    assert xsec.smuon_pair_xsec_fb(300, "left", 14.0) > xsec.smuon_pair_xsec_fb(300, "left", 13.0)
    assert xsec.wino_pair_xsec_fb(300, m_chargino=301) < xsec.wino_pair_xsec_fb(300)


def test_errors():
    with pytest.raises(ValueError, match="chirality"):
        xsec.smuon_pair_xsec_fb(200, "both")
    with pytest.raises(ValueError, match="channel"):
        xsec.wino_pair_xsec_fb(200, "N1N1")
    with pytest.raises(ValueError, match="out of reach"):
        xsec.smuon_pair_xsec_fb(7000)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="mass"):
            xsec.wino_pair_xsec_fb(bad)
    with pytest.raises(GenerationError, match="number 77"):
        xsec.smuon_pair_xsec_fb(200, pdf_set=77)
