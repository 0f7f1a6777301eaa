"""The decay chain X -> mu mu photon chi: what Pythia makes of it against closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.samples.errors import GenerationError
from massgap.samples.physics import cascade_decays as cascade
from massgap.samples.record import from_batch

_SPECTRA = [(390.0, 360.0, 330.0, 300.0), (691.0, 660.0, 631.0, 600.0)]


def generate(slha: str, lines: tuple[str, ...], n: int, tmp_path, sqrt_s: float = 14000.0):
    """Events of Pythia without multiparton interactions and hadrons, as a Record, and the Pythia object."""
    pythia8mc = pytest.importorskip("pythia8mc")
    spectrum = tmp_path / "spectrum.slha"
    spectrum.write_text(slha)
    pythia = pythia8mc.Pythia("", False)
    common = ("Print:quiet = on", "SLHA:verbose = 0", "Random:setSeed = on", "Random:seed = 11")
    fast = (
        "PartonLevel:MPI = off",
        "HadronLevel:all = off",
        "PartonLevel:ISR = off",
        "PartonLevel:FSR = off",
    )
    for line in (*common, *fast, f"Beams:eCM = {sqrt_s}", *lines, f"SLHA:file = {spectrum}"):
        assert pythia.readString(line), line
    assert pythia.init()
    batch = pythia.nextBatch(n, errorMode="skip")
    assert len(batch) == n
    return from_batch(batch, {}, pythia.particleData.charge), pythia


def _momentum(record, rows):
    return np.stack([getattr(record, name)[rows] for name in ("energy", "px", "py", "pz")], axis=1)


def _mass2(p):
    return p[:, 0] ** 2 - (p[:, 1:] ** 2).sum(axis=1)


def _products(record):
    """Near muon, far muon and photon of each event, in the order of events."""
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    found = []
    for kind, mother in ((13, cascade.X), (13, cascade.Y), (22, cascade.Z)):
        rows = np.flatnonzero((np.abs(record.pdg) == kind) & (parent == mother))
        np.testing.assert_array_equal(record.event[rows], np.arange(record.n_events))
        found.append(_momentum(record, rows))
    return found


@pytest.fixture(scope="module", params=_SPECTRA, ids=["390", "691"])
def chain(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cascade")
    record, pythia = generate(cascade.cascade_slha(request.param), cascade.cascade_settings(), 4000, folder)
    return request.param, record, pythia


def test_every_event_is_the_chain_and_no_endpoint_is_passed(chain):
    masses, record, _ = chain
    near, far, photon = _products(record)
    limits = cascade.endpoints(masses)
    # lines of 0.1 MeV and muons of 0.1 GeV
    for name, momentum, closest in (
        ("mumu", near + far, 0.99),
        ("near_photon", near + photon, 0.99),
        ("far_photon", far + photon, 0.99),
        ("mumu_photon", near + far + photon, 0.95),
    ):
        value = np.sqrt(np.maximum(_mass2(momentum), 0.0))
        assert closest * limits[name] < value.max() < limits[name] + 0.05, name


def test_fermion_model_is_flat_in_squared_masses(chain):
    from scipy.stats import kstest

    masses, record, _ = chain
    near, far, photon = _products(record)
    limits = cascade.endpoints(masses)
    for name, momentum in (("mumu", near + far), ("far_photon", far + photon)):
        scaled = np.clip(_mass2(momentum) / limits[name] ** 2, 0.0, 1.0)
        assert kstest(scaled, "uniform").pvalue > 1e-3


def test_spin_weights_have_mean_one_and_make_the_spectrum_steep(chain):
    masses, record, _ = chain
    weights = cascade.spin_weights(record)
    assert weights.shape == (record.n_events,)
    assert weights.min() >= 0
    assert weights.max() <= 2
    # uniform between 0 and 2: variance 1/3
    assert weights.mean() == pytest.approx(1.0, abs=4 / np.sqrt(3 * record.n_events))
    near, far, _ = _products(record)
    t = np.clip(_mass2(near + far) / cascade.endpoints(masses)["mumu"] ** 2, 0.0, 1.0)
    # with density 2t the mean of t is 2/3 and the share below 1/2 is 1/4
    assert np.average(t, weights=weights) == pytest.approx(2 / 3, abs=0.02)
    assert weights[t < 0.5].sum() / weights.sum() == pytest.approx(0.25, abs=0.03)


def test_both_charges_of_the_near_muon(chain):
    _, record, _ = chain
    parent = np.where(record.mother >= 0, np.abs(record.pdg[record.mother]), 0)
    near = record.pdg[(np.abs(record.pdg) == 13) & (parent == cascade.X)]
    assert np.mean(near > 0) == pytest.approx(0.5, abs=0.04)


def test_cross_section_is_that_of_the_z_boson(chain):
    from massgap.samples.physics.cross_sections import higgsino_pair_xsec_fb

    masses, _, pythia = chain
    own = pythia.infoPython().sigmaGen() * 1e12
    # Pythia's couplings run and its densities are at another scale
    assert own == pytest.approx(higgsino_pair_xsec_fb(masses[0], masses[3], 14.0), rel=0.2)


def test_masses_are_read(chain):
    masses, record, _ = chain
    for kind, mass in zip((cascade.X, cascade.Y, cascade.Z, cascade.CHI), masses, strict=True):
        own = record.mass[np.abs(record.pdg) == kind]
        np.testing.assert_allclose(own, mass, atol=0.02)


@pytest.mark.parametrize(
    "masses",
    [
        (390, 360, 330, 300),  # close to balanced: (m_X - m_chi)
        (1000, 200, 190, 180),  # first step widest
        (1000, 990, 200, 190),  # second
        (1000, 990, 980, 100),  # third
        (500, 300, 200, 1e-3),
    ],
)
def test_endpoints_by_brute_force(masses):
    """Largest masses of 800,000 random chains, massless muons."""
    rng = np.random.default_rng(3)
    n = 800_000
    m = [float(mass) for mass in masses]
    # the chain backwards: in the rest frame of the mother, along random directions
    visible = []
    for mother, daughter in ((m[2], m[3]), (m[1], m[2]), (m[0], m[1])):
        k = (mother**2 - daughter**2) / (2 * mother)
        cos = rng.uniform(-1, 1, n)
        # crowd towards back to back and collinear decays, where the endpoints are
        cos = np.sign(cos) * np.abs(cos) ** 0.2
        phi = rng.uniform(0, 2 * np.pi, n)
        sin = np.sqrt(1 - cos**2)
        axis = np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)
        # boost what came before to the frame in which the daughter recoils
        gamma = np.hypot(k, daughter) / daughter
        gb = -k / daughter * axis
        visible = [_boosted(p, gamma, gb) for p in visible]
        visible.append(np.concatenate([np.full((n, 1), k), k * axis], axis=1))
    photon, far, near = visible
    limits = cascade.endpoints(masses)
    for name, p in (
        ("mumu", near + far),
        ("near_photon", near + photon),
        ("far_photon", far + photon),
        ("mumu_photon", near + far + photon),
    ):
        assert np.sqrt(_mass2(p).max()) == pytest.approx(limits[name], rel=4e-3), name
        assert np.sqrt(_mass2(p).max()) <= limits[name] * (1 + 1e-9)
    assert limits["mu_photon"] == max(limits["near_photon"], limits["far_photon"])


def _boosted(p, gamma, gb):
    along = (p[:, 1:] * gb).sum(axis=1)
    energy = gamma * p[:, 0] + along
    return np.concatenate([energy[:, None], p[:, 1:] + gb * (along / (1 + gamma) + p[:, 0])[:, None]], axis=1)


def test_errors(tmp_path):
    for masses in ((390, 360, 360, 300), (300, 360, 390, 400), (390, 360, 330, -1), (390, 360, 330)):
        with pytest.raises(ValueError, match="mass"):
            cascade.cascade_slha(masses)
    record, _ = generate("", ("WeakSingleBoson:ffbar2gmZ = on",), 5, tmp_path)
    with pytest.raises(GenerationError, match="decay weights"):
        cascade.spin_weights(record)


@pytest.mark.parametrize("scalar", [False, True])
def test_parton_level_decays_are_those_of_the_full_chain(chain, scalar):
    from scipy.stats import ks_2samp

    from massgap.samples.matrix_elements.chain import ChainGenerator

    masses, record, _ = chain
    full = _products(record)
    if scalar:
        weights = cascade.spin_weights(record)
        keep = np.random.default_rng(4).random(len(weights)) < weights / 2.0
        full = [p[keep] for p in full]
    own = np.moveaxis(ChainGenerator(masses, scalar, seed=5).events(20_000).momenta, 1, 0)
    for which in ((0, 1), (0, 2), (1, 2), (0, 1, 2)):
        a, b = (_mass2(sum(products[k] for k in which)) for products in (full, own))
        assert ks_2samp(a, b).pvalue > 1e-3, which
