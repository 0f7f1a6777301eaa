"""What ensembles tell of the cascade study: mass scales, pools, maps, the spectrum as input, and the likelihood of all four parameters."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.samples.physics.cascade_decays import endpoints
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.studies.cascade.ensembles.likelihood import Grid, profiled, vertex
from massgap.studies.cascade.ensembles.mass import EXPECTED, Viewer, experiments, map_network
from massgap.studies.cascade.ensembles.parameterised import hypothesis_network, optimum
from massgap.studies.cascade.ensembles.pools import MASSES, POINTS, Pool, at_scale, moved
from massgap.studies.cascade.networks import Task, cross_fitted
from massgap.studies.cascade.ordering import Training
from massgap.studies.cascade.samples import Backgrounds, observables, signal_events
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError


def test_mass_scales_keep_the_edges():
    wanted = endpoints(TESTING_SPECTRUM)
    for mass in (100.0, 300.0, 900.0):
        found = endpoints(at_scale(mass))
        assert [found[k] for k in ("mumu", "near_photon", "far_photon")] == pytest.approx(
            [wanted[k] for k in ("mumu", "near_photon", "far_photon")]
        )
    assert at_scale(300.0, TRUTH_SPECTRUM) == pytest.approx(TRUTH_SPECTRUM)


def test_three_points_have_the_moments_of_a_gaussian():
    far, chance = POINTS[1]
    assert 2 * chance * far**2 == pytest.approx(1.0)
    assert 2 * chance * far**4 == pytest.approx(3.0)
    assert sum(chance for _, chance in POINTS) == pytest.approx(1.0)


def synthetic(mass, rng, n=4000):
    """A pixel that moves with the mass, in place of Delta_4."""
    rows = np.zeros((n, 4), np.float32)
    rows[:, 0] = 41 * 20 + np.clip(np.round(rng.normal(mass / 25.0, 4.0, n)), 0, 40)
    rows[:, 1] = rng.integers(0, 20, n)
    return Pool(rows, np.ones(n), 0.4)


def test_maps_tell_the_mass_and_empty_ensembles_are_refused():
    rng = np.random.default_rng(1)
    pools = {mass: synthetic(mass, rng) for mass in MASSES[::4]}
    background = synthetic(500.0, rng, 500)
    network = map_network(pools, background, 0.1, 12, epochs=30)
    drawn = experiments([synthetic(420.0, rng)], [background], 0.1, 60, rng)
    assert drawn.events.mean() == pytest.approx(EXPECTED * (0.1 * 0.4 + 0.005), rel=0.03)
    assert (drawn.maps**2).sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert network(drawn.maps).mean() == pytest.approx(420.0, abs=25.0)
    empty = Pool(np.zeros((0, 4), np.float32), np.zeros(0), 0.4)
    with pytest.raises(StudyError, match="raise --events"):
        experiments([empty], [background], 1.0, 1, rng)
    with pytest.raises(StudyError, match="S/B = -1"):
        experiments([pools[100.0]], [background], -1.0, 1, rng)
    with pytest.raises(StudyError, match="larger ratio"):
        experiments([pools[100.0]], [background], 1e-6, 5, rng, eps_b=0.0)


@pytest.fixture(scope="module")
def events():
    """Signal at the testing spectrum, and a far spectrum in place of a background."""
    pytest.importorskip("pythia8mc")
    signal = signal_events("fDM", TESTING_SPECTRUM, 4000)
    return signal, signal_events("fDM", (600.0, 500.0, 400.0, 300.0), 4000)


def test_views_of_events(events):
    signal, _ = events
    viewer = Viewer.of(signal)
    rows = viewer.rows(signal)
    inside = rows[:, 0] >= 0
    # 95 % of each axis
    assert 0.89 < inside.mean() < 0.96
    assert np.bincount(rows[:, 1].astype(int), minlength=20) == pytest.approx(np.full(20, 200), abs=2)
    raised = moved(signal, {"photon_energy": 1.0})
    assert raised.columns["pt_gamma"] == pytest.approx(1.01 * signal.columns["pt_gamma"])
    assert raised.columns["pt_plus"] == pytest.approx(signal.columns["pt_plus"])


def test_one_network_with_the_spectrum_as_input_is_as_good_as_one_of_its_own(events):
    signal, other = events
    names, training = ("met", "m_mumu", "m_mumugamma"), Training((30, 30), (30, 30), 25, 25)
    one = hypothesis_network("fDM", other, names, training, spectra=20, events=6000, hidden=(30, 30))
    x, y = (observables(sample, TESTING_SPECTRUM) for sample in (signal, other))
    columns = columns_of(names)
    task = Task(
        *(np.stack([side[c] for c in columns], axis=1) for side in (x, y)), signal.weight, other.weight
    )
    separate = cross_fitted({"x": task}, columns, (30, 30), epochs=25, patience=25)["x"]
    first, second = one.logits(signal, (0.0, 0.0, 0.0, 0.0)), one.of_background((0.0, 0.0, 0.0, 0.0))
    area = (first[:, None] > second[None, ::4]).mean()
    assert area == pytest.approx(separate.auc, abs=0.03)
    with pytest.raises(StudyError, match="alpha = 99 GeV is outside"):
        one.logits(signal, (99.0, 0.0, 0.0, 0.0))
    with pytest.raises(StudyError, match="raise --events"):
        hypothesis_network("fDM", other, names, training, spectra=20, events=10)


def test_optimum_of_a_noisy_curve():
    x = np.linspace(-20.0, 20.0, 41)
    y = 1.0 - ((x - 3.0) / 30.0) ** 2 + np.random.default_rng(2).normal(0.0, 0.003, 41)
    place, error = optimum(x, y)
    assert 0.0 < error < 1.5
    assert place == pytest.approx(3.0, abs=4 * error)
    assert optimum([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])[0] == 2.0


def test_likelihood_finds_the_strength_and_the_parabola_its_lowest_point():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(2.0, 1.0, 500), rng.normal(0.0, 1.0, 1000)])
    ratio = np.exp(2.0 * x - 2.0)[:, None]
    grid = np.linspace(1.0, 1500.0, 3000)
    direct = [2 * s - 2 * np.log1p(s * ratio[:, 0] / 1000.0).sum() for s in grid]
    assert profiled(ratio, 1000.0)[0] == pytest.approx(min(direct), abs=1e-2)
    twice = profiled(np.concatenate([ratio, ratio]), 1000.0)
    assert twice == pytest.approx(profiled(ratio, 1000.0, np.full(1500, 2)))
    counts = rng.poisson(0.2, 1500)
    drawn = counts > 0
    only = profiled(ratio[drawn], 1000.0, counts[drawn])
    assert only == pytest.approx(profiled(ratio, 1000.0, counts), rel=1e-10)
    points = Grid().points()
    matrix = np.diag([0.5, 0.2, 1.0, 1e-4])
    matrix[0, 1] = matrix[1, 0] = 0.1
    center = np.array([1.0, -2.0, 0.5, -310.0])
    values = np.einsum("ni,ij,nj->n", points - center, matrix, points - center)
    place, error = vertex(points, values)
    assert place == pytest.approx(center, abs=1e-6)
    assert error == pytest.approx(np.sqrt(np.diag(np.linalg.inv(matrix))), rel=1e-6)
    with pytest.raises(StudyError, match="without events"):
        profiled(np.zeros((0, 1)), 1.0)


def test_backgrounds_by_process(events):
    signal, _ = events
    process = np.arange(len(signal)) % 2
    every = Backgrounds(signal, ("WW", "tau"), process)
    assert len(every.of(["tau"])) == len(signal) // 2
    assert every.shares()["WW"]["effective"] == pytest.approx(len(signal) / 2, rel=0.01)
    with pytest.raises(StudyError, match="--process"):
        every.of(["top"])
