"""What ensembles tell of the cascade study: mass scales, pools, maps, the spectrum as input, and the likelihood of all four parameters."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.fits.counting.neyman import confidence_belt
from massgap.samples.physics.cascade_decays import endpoints
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.studies.cascade.discovery import cut_at
from massgap.studies.cascade.ensembles import mass_study, parameterised, stages
from massgap.studies.cascade.ensembles.likelihood import profiled
from massgap.studies.cascade.ensembles.mass import EXPECTED, Viewer, experiments, map_network
from massgap.studies.cascade.ensembles.parameterised import (
    aligned,
    checked_point,
    hypothesis_network,
    optimum,
    spectrum_at,
)
from massgap.studies.cascade.ensembles.pools import (
    MASSES,
    NUISANCES,
    POINTS,
    Pool,
    Purifier,
    at_scale,
    moved,
    shared_variance,
)
from massgap.studies.cascade.networks import Task, cross_fitted
from massgap.studies.cascade.ordering import Training
from massgap.studies.cascade.samples import Backgrounds, Events, observables, signal_events
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


def test_means_of_ensembles_share_what_their_pool_has_by_chance():
    """The scatter of mean estimates over pools, of ensembles that are a tenth as large."""
    rng, means, errors = np.random.default_rng(7), [], []
    for _ in range(300):
        pool = rng.normal(0.0, 1.0, 1000)
        values = pool[rng.integers(1000, size=(50, 100))].mean(axis=1)
        told = mass_study._told(values, shared_variance([(100.0, 1000.0)]))
        means.append(told["mean"])
        errors.append(told["mean_error"])
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    weighted = Pool(np.zeros((3, 4)), np.array([1.0, 1.0, 2.0]), 0.4)
    assert weighted.effective == pytest.approx(16.0 / 6.0)
    assert shared_variance([(0.0, 0.0)]) == 0.0


def test_nuisance_parameters_are_varied_with_the_moments_of_a_gaussian():
    variants, chances = mass_study._variants()
    assert sum(chances) == pytest.approx(1.0)
    for name in NUISANCES:
        values = np.array([sigmas.get(name, 0.0) for sigmas in variants])
        assert [float(np.dot(chances, values**k)) for k in (1, 2, 3, 4)] == pytest.approx(
            [0.0, 1.0, 0.0, 3.0]
        )


def test_intervals_tell_what_their_pools_take_from_the_coverage():
    """Belts and tests of Gaussian estimates whose pools shift each true value by a third of a standard deviation."""
    rng, shared, masses = np.random.default_rng(8), 0.1, np.arange(0.0, 50.0, 10.0)
    found = []
    for _ in range(150):

        def drawn(mass, n):
            return mass + 3.0 * (rng.normal(size=n) + np.sqrt(shared) * rng.normal())

        belt = confidence_belt(masses.tolist(), [drawn(mass, 400) for mass in masses])
        told = mass_study._interval_numbers(
            belt, {15.0: drawn(15.0, 800)}, dict.fromkeys([*masses.tolist(), 15.0], shared)
        )
        found.append(told["masses"]["15"])
    lost = found[0]["lost_by_pools"]
    assert lost == pytest.approx(0.242 * 0.15, rel=0.01)
    coverage = np.array([one["coverage"] for one in found])
    assert coverage.mean() == pytest.approx(0.6827 - lost, abs=0.015)
    assert coverage.std() == pytest.approx(np.mean([one["error"] for one in found]), rel=0.25)
    assert found[0]["width"] == pytest.approx(6.0, rel=0.25)
    assert 0.0 <= found[0]["width_error"] < 0.5
    assert found[0]["empty"] == 0.0


def test_another_seed_has_other_ensembles(monkeypatch):
    seen = []
    for name in ("compared_optima", "_network", "_likelihood"):
        monkeypatch.setattr(stages, name, lambda *_: {})
    monkeypatch.setattr(stages, "_mass", lambda *given: seen.append(given[4].mass.seed))
    events = Events({}, np.zeros(0))
    for seed in (1, 2):
        stages.beyond(
            "fDM", None, (), events, {}, Training(seed=seed), stages.Beyond(), print, lambda _, make: make()
        )
    assert seen == [1, 2]


def test_a_line_beyond_what_the_network_was_trained_for_is_compared_where_it_was(monkeypatch):
    class Network:
        of_signal = type("Scored", (), {"auc": 0.9, "auc_error": 0.01})
        background = Events({}, np.ones(1000))

        def first_logits(self, events, point):
            checked_point(point)
            return np.linspace(-3.0, 3.0, 100) if events is None else np.linspace(-4.0, 2.0, 1000)

        def second_logits(self, events):
            return 0.0

    network = Network()
    monkeypatch.setattr(stages, "signal_events", lambda *_, **__: None)
    values = [-500.0, -300.0, -100.0, 100.0, 300.0]
    lines = {
        "delta": {"values": values, "eps_s": [0.1, 0.2, 0.3, 0.2, 0.1]},
        "alpha": {"values": [0.0, 90.0], "eps_s": [0.1, 0.2]},
    }
    found = stages.compared_optima("fDM", network, lines, Training(), stages.Beyond())
    assert list(found["lines"]) == ["delta"]
    assert found["lines"]["delta"]["values"] == values[1:4]
    assert found["lines"]["delta"]["separate"][0] == pytest.approx(-100.0)


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
    first, second = one.logits(signal, (0.0, 0.0, 0.0, 0.0)), one.logits(other, (0.0, 0.0, 0.0, 0.0))
    area = (first[:, None] > second[None, ::4]).mean()
    assert area == pytest.approx(separate.auc, abs=0.03)
    # what depends on the spectrum is a quotient of densities: its mean over the signal of all is 1
    assert abs(one.log_mean((0.0, 0.0, 0.0, 0.0))) < 0.3
    with pytest.raises(StudyError, match="alpha = 99 GeV is outside"):
        one.logits(signal, (99.0, 0.0, 0.0, 0.0))
    with pytest.raises(StudyError, match="raise --events"):
        hypothesis_network("fDM", other, names, training, spectra=20, events=10)


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0, 0.0), (6.0, -3.0, 5.0, -400.0), (-7.0, 4.0, -4.0, 200.0)])
@pytest.mark.parametrize("model", ["fDM", "sDM"])
def test_edges_are_at_one_place_for_all_spectra(model, point):
    pytest.importorskip("pythia8mc")
    names = ("met", "delta4", "m_mumu", "m_plus_gamma", "m_minus_gamma", "m_mumugamma")
    signal = signal_events(model, spectrum_at(point), 2000, few=True)
    inputs = dict(zip(parameterised._aligned_names(names), aligned(signal, names, point).T, strict=True))
    edges = parameterised.endpoints(*spectrum_at(point))
    for name in ("m_mumu", "m_plus_gamma", "m_mumugamma"):
        # resolutions are a per cent or two; the selection takes muons of 15 to 65 GeV alone
        largest = min(1.0, 65.0 / edges.m12) if name == "m_mumu" else 1.0
        assert np.quantile(inputs[name], 0.97) < 1.03
        assert inputs[name].max() > 0.9 * largest
        assert inputs[f"{name}_beyond"] == pytest.approx(
            np.tanh(
                (inputs[name] - 1.0)
                * {"m_mumu": edges.m12, "m_mumugamma": edges.m123}.get(name, max(edges.m13, edges.m23))
                / 2.0
            ),
            abs=1e-4,
        )
    assert (
        inputs["m_plus_gamma"] * max(edges.m13, edges.m23)
        >= inputs["m_minus_gamma"] * min(edges.m13, edges.m23) - 1e-3
    ).all()
    assert 0.1 < np.median(inputs["delta4_root"]) < 1.5
    assert inputs["delta"].tolist() == [point[3]] * 2000
    # with one of the photon masses alone there is no larger one
    one = dict(
        zip(
            parameterised._aligned_names(("m_plus_gamma",)),
            aligned(signal, ("m_plus_gamma",), point).T,
            strict=True,
        )
    )
    far = max(edges.m13, edges.m23)
    assert one["m_plus_gamma"] * far == pytest.approx(
        observables(signal, spectrum_at(point))["m_plus_gamma"], rel=1e-5
    )


def test_optimum_of_a_noisy_curve():
    x = np.linspace(-20.0, 20.0, 41)
    y = 1.0 - ((x - 3.0) / 30.0) ** 2 + np.random.default_rng(2).normal(0.0, 0.003, 41)
    place, error = optimum(x, y)
    assert 0.0 < error < 1.5
    assert place == pytest.approx(3.0, abs=4 * error)
    assert optimum([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])[0] == 2.0


def test_likelihood_finds_the_strength():
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


def test_the_mass_scale_from_the_first_event_to_the_intervals(events, monkeypatch):
    """At seven masses, with few events."""
    signal, other = events
    masses = tuple(float(mass) for mass in range(100, 701, 100))
    monkeypatch.setattr(mass_study, "MASSES", masses)
    asked = []

    def made(model, spectrum, n, *, seed):
        asked.append((round(spectrum[3]), n, seed))
        return signal_events(model, spectrum, n, seed=seed)

    monkeypatch.setattr(mass_study, "signal_events", made)
    names = ("met", "m_mumu", "m_mumugamma")
    columns = columns_of(names)
    first, second = (
        np.stack([observables(sample, TESTING_SPECTRUM)[c] for c in columns], axis=1)
        for sample in (signal, other)
    )
    scored = cross_fitted(
        {"x": Task(first, second, signal.weight, other.weight)}, columns, (8,), epochs=5, patience=5
    )["x"]
    cut = cut_at(scored.first, scored.second, other.weight, 0.5)
    plan = mass_study.MassPlan((0.1, 0.5), 1500, 1000, 6, 50, (300.0,), 20, 3, beyond_at=0.5, seed=7)
    kept = other.take(scored.second > cut.threshold)
    with pytest.raises(StudyError, match="eps_S no larger than eps_B"):
        mass_study.mass_study("fDM", Purifier(scored, columns, 9.0), cut._replace(eps_s=0.0), kept, plan)
    found = mass_study.mass_study("fDM", Purifier(scored, columns, cut.threshold), cut, kept, plan)
    assert [(row["mass"], row["ratio"]) for row in found["estimates"]] == [(300.0, 0.1), (300.0, 0.5)]
    for row in found["estimates"]:
        assert row["mean_error"] > row["spread"] / np.sqrt(50)
    for told in found["beyond"]["ways"].values():
        assert told["true"] == [100.0, 300.0, 500.0, 700.0]
        assert set(told["masses"]) == {"250", "450", "650"}
        for one in told["masses"].values():
            assert 0.0 <= one["coverage"] <= 1.0
            assert one["error"] > np.sqrt(2.0) * one["lost_by_pools"] > 0.0
    # twice as many where coverage is tested
    assert (500, 1000, 1007) in asked
    assert (450, 2000, 1007) in asked
    # what tests is of another seed than what trains
    assert {seed for _, _, seed in asked} == {1007, 2007, 3007}
