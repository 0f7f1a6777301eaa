"""Decay chains at parton level: traces of Dirac matrices, closed forms, endpoints, and the samples a user gets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot
from click.testing import CliRunner
from scipy.stats import kstest

pytest.importorskip("pythia8mc")

from massgap.cli import main
from massgap.samples.detector.response import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.chain import ChainGenerator
from massgap.samples.matrix_elements.exchange import Exchange, squared_exchange
from massgap.samples.physics.cascade_decays import endpoints
from massgap.samples.physics.cross_sections import FB, parton_density
from massgap.samples.production.parton_level import generate_parton_level, seen_events

TRUTH, TESTING = (390.0, 360.0, 330.0, 300.0), (691.0, 660.0, 631.0, 600.0)
POINT = "cascade_fDM_390_360_330_300"


def gamma(p):
    """p-slash in the Dirac representation."""
    one, zero = np.eye(2), np.zeros((2, 2))
    sigma = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    total = p[0] * np.block([[one, zero], [zero, -one]]).astype(complex)
    for k in range(3):
        total -= p[1 + k] * np.block([[zero, sigma[k]], [-sigma[k], zero]])
    return total


GAMMA5 = np.block([[np.zeros((2, 2)), np.eye(2)], [np.eye(2), np.zeros((2, 2))]]).astype(complex)
RIGHT, LEFT = 0.5 * (np.eye(4) + GAMMA5), 0.5 * (np.eye(4) - GAMMA5)


def by_traces(process, s, c):
    """The squared amplitude, averaged, from products of matrices in the centre-of-mass frame; and t."""
    e = 0.5 * np.sqrt(s)
    p1, p2 = np.array([e, 0, 0, e]), np.array([e, 0, 0, -e])
    k = np.sqrt((s - (process.m1 + process.m2) ** 2) * (s - (process.m1 - process.m2) ** 2)) / (
        2 * np.sqrt(s)
    )
    k1 = np.array([np.sqrt(process.m1**2 + k**2), k * np.sqrt(1 - c**2), 0, k * c])
    k2, q = p1 + p2 - k1, p1 - k1
    t = q[0] ** 2 - (q[1:] ** 2).sum()
    coupling, back = (RIGHT, LEFT) if process.chiral else (np.eye(4), np.eye(4))
    if process.scalar:
        line = back @ (gamma(q) + process.mediator * np.eye(4)) @ coupling
        other = back @ (gamma(q) + process.mediator * np.eye(4)) @ coupling
        total = np.trace(gamma(p2) @ line @ gamma(p1) @ other)
    else:
        first = np.trace((gamma(k1) + process.m1 * np.eye(4)) @ coupling @ gamma(p1) @ back)
        second = np.trace((gamma(k2) - process.m2 * np.eye(4)) @ coupling @ gamma(p2) @ back)
        total = first * second
    return total.real / (12.0 * (t - process.mediator**2) ** 2), t


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("chiral", [False, True])
def test_squared_amplitudes_are_traces(scalar, chiral):
    process = Exchange(390.0, 300.0, 1500.0, scalar, chiral)
    for s in (700.0**2, 2000.0**2):
        for c in (-0.9, 0.0, 0.4, 0.99):
            expected, t = by_traces(process, s, c)
            assert squared_exchange(process, s, t) == pytest.approx(expected, rel=1e-10)


def test_cross_section_is_an_integral_over_densities():
    mediator, sqrt_s = 2000.0, 14000.0
    process = Exchange(390.0, 300.0, mediator, False, False)
    xf = parton_density()
    nodes, weights = np.polynomial.legendre.leggauss(40)
    threshold, total = 690.0**2, 0.0
    span = np.log(sqrt_s**2 / threshold)
    for u, du in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
        s = threshold * np.exp(span * u**2)
        root = np.sqrt((s - threshold) * (s - 90.0**2))
        t = 0.5 * (390.0**2 + 300.0**2 - s + root * nodes)
        partonic = (
            0.5 * root * sum(w * squared_exchange(process, s, one) for w, one in zip(weights, t, strict=True))
        )
        half = 0.5 * np.log(sqrt_s**2 / s)
        x1, x2 = (np.exp(-half + sign * half * nodes) for sign in (1, -1))
        luminosity = sum(
            w * (xf(2, a, s) * xf(-2, b, s) + xf(-2, a, s) * xf(2, b, s))
            for w, a, b in zip(weights, x1, x2, strict=True)
        )
        # two charge states
        total += 2.0 * du * 2.0 * span * u * half * luminosity * partonic / (16.0 * np.pi * s**2)
    found = ChainGenerator(TRUTH, False, mediator).integrate()
    assert found.xsec_fb == pytest.approx(FB * total, abs=4.0 * found.error_fb + 2e-3 * FB * total)


@pytest.mark.parametrize(
    ("scalar", "chiral", "power"), [(False, False, 4), (True, False, 2), (True, True, 4)]
)
def test_heavy_mediators_decouple(scalar, chiral, power):
    light, heavy = (ChainGenerator(TRUTH, scalar, m, chiral=chiral).integrate().xsec_fb for m in (1e5, 2e5))
    assert light / heavy == pytest.approx(2.0**power, rel=0.01)


def masses_of(events):
    def mass(*which):
        total = sum(events.momenta[:, k] for k in which)
        return np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1), 0.0))

    return {
        "mumu": mass(0, 1),
        "near_photon": mass(0, 2),
        "far_photon": mass(1, 2),
        "mumu_photon": mass(0, 1, 2),
    }


@pytest.mark.parametrize(
    ("masses", "scalar", "n"),
    [(TRUTH, False, 1_000_000), (TESTING, True, 1_000_000), ((900.0, 500.0, 450.0, 0.0), True, 50_000)],
)
def test_no_mass_passes_its_endpoint_in_a_million_events(masses, scalar, n):
    found, ends = masses_of(ChainGenerator(masses, scalar).events(n)), endpoints(masses)
    for name, values in found.items():
        # differences of squares of momenta of several TeV are right to so much
        assert values.max() <= ends[name] + 1e-4, name
    assert found["mumu"].max() > 0.999 * ends["mumu"]


def test_masses_follow_their_closed_forms():
    for scalar, power in ((False, 1), (True, 2)):
        found, ends = masses_of(ChainGenerator(TRUTH, scalar, seed=3).events(50_000)), endpoints(TRUTH)
        share = np.minimum((found["mumu"] / ends["mumu"]) ** 2, 1.0)
        assert kstest(share, lambda x, power=power: x**power).pvalue > 1e-3
        assert (
            kstest(np.minimum((found["far_photon"] / ends["far_photon"]) ** 2, 1.0), "uniform").pvalue > 1e-3
        )


def test_charges_are_shared_evenly():
    events = ChainGenerator(TRUTH, True).events(40_000)
    assert abs(events.plus_first.mean() - 0.5) < 4.0 * 0.5 / 200.0
    plus, minus, photon = events.of_charges()
    assert np.array_equal(plus[events.plus_first], events.momenta[events.plus_first, 0])
    assert np.array_equal(minus[~events.plus_first], events.momenta[~events.plus_first, 0])
    assert np.array_equal(photon, events.momenta[:, 2])


def test_the_resolution_is_that_of_the_card():
    events = ChainGenerator(TRUTH, False).events(200_000)
    card = load_card("cascade")
    for name in ("muon", "photon"):
        card[name]["pt_min"], card[name]["eta"] = 0.0, [0.0, 1e9]
    seen = seen_events(events, card, np.random.Generator(np.random.PCG64(1)))
    plus, _, photon = events.of_charges()
    for row, true, variance in (
        (0, plus, lambda e: 1.61e-2**2 + 2.76e-3**2 * e),
        (2, photon, lambda e: 9.84e-3**2 + 9.41e-2**2 / e + (1.19 / e) ** 2),
    ):
        ratio = seen["pt"][row] / np.hypot(true[:, 1], true[:, 2])
        near = (true[:, 0] > 60.0) & (true[:, 0] < 61.0)
        assert ratio[near].mean() == pytest.approx(1.0, abs=4.0 * ratio[near].std() / np.sqrt(near.sum()))
        assert ratio[near].std() == pytest.approx(np.sqrt(variance(60.5)), rel=0.1)


def test_command_writes_the_usual_files(tmp_path):
    out = tmp_path / "made"
    words = ["generate", POINT, "--parton", "--events", "20k", "--workers", "1", "--out", str(out)]
    found = CliRunner().invoke(main, words)
    assert found.exit_code == 0, found.output
    entry = json.loads((out / "fileset.json").read_text())[f"{POINT}_parton"]
    about = entry["metadata"]
    integral = ChainGenerator(TRUTH, False).integrate()
    assert about["xsec_fb"] == pytest.approx(integral.xsec_fb * about["filter_efficiency"])
    assert about["hard_xsec_error_fb"] == integral.error_fb
    (name,) = entry["files"]
    path = out / name
    tree = uproot.open(path)["Events"]
    assert tree.num_entries == about["n_events"]
    assert tree["genWeight"].array(library="np").sum() == pytest.approx(about["sum_weights"], rel=1e-6)
    number = tree["event"].array(library="np")
    assert len(np.unique(number)) == len(number)
    charge = tree["Muon_charge"].array().to_numpy()
    pt = tree["Muon_pt"].array().to_numpy()
    assert (charge.sum(axis=1) == 0).all()
    assert (pt[:, 0] >= pt[:, 1]).all()
    assert pt.min() > 7.0

    before = path.read_bytes()
    assert CliRunner().invoke(main, words).exit_code == 0
    assert path.read_bytes() == before
    lighter = CliRunner().invoke(main, [*words, "--mediator", "2000"])
    assert "fb" in lighter.output
    assert (
        json.loads((out / "fileset.json").read_text())[f"{POINT}_parton"]["metadata"]["hard_xsec_fb"]
        > 5 * about["hard_xsec_fb"]
    )


def test_blocks_do_not_depend_on_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("massgap.samples.production.parton_level.BLOCK", 3000)
    columns = []
    for name, workers in (("one", 1), ("two", 2)):
        made = generate_parton_level(POINT, tmp_path / name, events=6000, workers=workers)
        files = sorted(made[f"{POINT}_parton"]["files"])
        columns.append([uproot.open(file)["Events"]["Photon_pt"].array().to_numpy() for file in files])
    for one, two in zip(*columns, strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(columns[0][0][:100], columns[0][1][:100])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mediator": 300.0}, "not heavier than X"),
        ({"sqrt_s_tev": 0.5}, "out of reach"),
        ({"events": 0}, "whole number"),
    ],
)
def test_impossible_requests(tmp_path, options, words):
    with pytest.raises(GenerationError, match=words):
        generate_parton_level(POINT, tmp_path, **options)


def test_masses_that_do_not_fall():
    with pytest.raises(GenerationError, match="give falling masses"):
        ChainGenerator((390.0, 360.0, 365.0, 300.0), False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tt", "--parton"], "without --parton"),
        ([POINT, "--parton", "--mpi"], "--mpi does not go with --parton"),
        ([POINT, "--parton", "--variations"], "--variations does not go with --parton"),
        ([POINT, "--parton", "--repeat", "3"], "--repeat does not go with --parton"),
        ([POINT, "--mediator", "3000"], "--mediator goes with --parton"),
        (["--parton"], "say what to generate"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, words, said):
    found = CliRunner().invoke(main, ["generate", *words, "--out", str(tmp_path / "x")])
    assert found.exit_code != 0
    assert said in found.output
